#pragma once
// For source files only: images with their channels in blocks, the form in which the fast convolutions read and write
// them. A block has as many channels as a vector register has numbers (lanes), side by side for every pixel: an image
// is (blocks, rows, columns, lanes). Channels that are missing in the last block are zeros.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

#include "gradus/core/allocator.hpp"
#include "gradus/core/shape.hpp"
#include "gradus/core/simd.hpp"

namespace gradus::kernels {

constexpr Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

/// Working memory for n numbers, uninitialised, from the caching allocator. Sizes are powers of two, so that one block
/// serves many layers: the allocator keeps blocks by size.
template <class T>
class Buffer {
 public:
  explicit Buffer(Index n)
      : bytes_(std::bit_ceil(std::size_t(n) * sizeof(T))), data_(n > 0 ? memory::allocate(bytes_) : nullptr) {}
  ~Buffer() {
    if (data_ != nullptr) memory::release(data_, bytes_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T* data() const { return static_cast<T*>(data_); }

 private:
  std::size_t bytes_;
  void* data_;
};

template <class T>
inline constexpr Index lanes = simd::Batch<T>::size;
/// The blocks that hold `channels` channels.
template <class T>
Index blocks_of(Index channels) {
  return divide_up(channels, lanes<T>);
}

namespace detail {

template <class T>
struct Register {
  typedef T type __attribute__((vector_size(simd::Batch<T>::size * sizeof(T))));
};

template <class V, std::size_t... i>
V zip_low(V a, V b, std::index_sequence<i...>) {
  return __builtin_shufflevector(a, b, int(i / 2 + i % 2 * sizeof...(i))...);
}
template <class V, std::size_t... i>
V zip_high(V a, V b, std::index_sequence<i...>) {
  return __builtin_shufflevector(a, b, int((sizeof...(i) + i) / 2 + i % 2 * sizeof...(i))...);
}

// Transposes a square: emit(j, (load(0)[j], load(1)[j], ...)) for every place j of the registers that load(i) gives.
// Zipping the upper half of the rows with the lower one turns the bits of an element's address (row, column) by one
// place; after as many rounds as a column has bits, row and column have changed places.
template <class V, int size, int done = 1, class Load, class Emit>
[[gnu::always_inline]] inline void transpose_by_zips(Load&& load, Emit&& emit) {
  constexpr auto all = std::make_index_sequence<std::size_t(size)>{};
  V next[size];
#pragma GCC unroll 8
  for (int i = 0; i < size / 2; ++i) {
    const V low = load(i), high = load(i + size / 2);
    next[2 * i] = zip_low(low, high, all);
    next[2 * i + 1] = zip_high(low, high, all);
  }
  if constexpr (2 * done < size)
    transpose_by_zips<V, size, 2 * done>([&](int i) { return next[i]; }, emit);
  else
#pragma GCC unroll 16
    for (int j = 0; j < size; ++j) emit(j, next[j]);
}

// The same for 16 numbers, by shuffles that are cheaper than zips: squares of 4 by 4 within the quarters of four
// registers, then the quarters as a square.
template <class V, class Load, class Emit>
[[gnu::always_inline]] inline void transpose_by_quarters(Load&& load, Emit&& emit) {
  V squares[4][4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const auto low = [](V a, V b) {
      return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    };
    const auto high = [](V a, V b) {
      return __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    };
    const V r0 = load(4 * i), r1 = load(4 * i + 1), r2 = load(4 * i + 2), r3 = load(4 * i + 3);
    const V a = low(r0, r2), b = high(r0, r2), c = low(r1, r3), d = high(r1, r3);
    squares[i][0] = low(a, c);
    squares[i][1] = high(a, c);
    squares[i][2] = low(b, d);
    squares[i][3] = high(b, d);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const auto even = [](V a, V b) {
      return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    };
    const auto odd = [](V a, V b) {
      return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    };
    const V a = even(squares[0][j], squares[1][j]), b = even(squares[2][j], squares[3][j]);
    const V c = odd(squares[0][j], squares[1][j]), d = odd(squares[2][j], squares[3][j]);
    emit(j, even(a, b));
    emit(j + 4, even(c, d));
    emit(j + 8, odd(a, b));
    emit(j + 12, odd(c, d));
  }
}

template <class T, class Load, class Emit>
[[gnu::always_inline]] inline void transpose(Load&& load, Emit&& emit) {
  using V = typename Register<T>::type;
  if constexpr (lanes<T> == 16)
    transpose_by_quarters<V>(load, emit);
  else
    transpose_by_zips<V, int(lanes<T>)>(load, emit);
}

template <class T>
typename Register<T>::type to_register(const simd::Batch<T>& batch) {
  return std::bit_cast<typename Register<T>::type>(batch.native());
}

template <class T>
void store(const typename Register<T>::type& v, T* to, Index count) {
  const simd::Batch<T> batch(std::bit_cast<typename simd::Batch<T>::Native>(v));
  count >= lanes<T> ? batch.store(to) : batch.store_partial(to, int(count));
}

// Asks for the line of the cache `distance` numbers further on, which need not be in the array: the hardware does not
// foresee reads from, or writes to, as many planes as there are lanes. At distances of 4 KiB the planes' lines would
// push each other out of the first cache.
template <class T>
bool worth_fetching(Index plane) {
  return plane * Index(sizeof(T)) % 4096 != 0;
}
template <bool to_write, class T>
void fetch(const T* from, Index distance) {
  const auto place = reinterpret_cast<std::uintptr_t>(from) + std::uintptr_t(distance) * sizeof(T);
  __builtin_prefetch(reinterpret_cast<const void*>(place), to_write, 2);
}

}  // namespace detail

/// out[i step + c] = in[c plane + i] for i < count and c < channels, 0 for the other c < lanes. Channels beyond `lanes`
/// are left for the next call. What that, or the first one of the image behind, will read is fetched already.
template <class T>
void planes_to_lanes(const T* in, Index plane, Index channels, Index count, T* out, Index step = lanes<T>) {
  using V = simd::Batch<T>;
  static constexpr T zeros[lanes<T>] = {};
  const bool ahead = detail::worth_fetching<T>(plane);
  const auto square = [&](Index i, Index width, auto&& load) {
    detail::transpose<T>(
        [&](int c) {
          const T* const from = c < channels ? in + c * plane + i : zeros;
          if (ahead && c < channels) detail::fetch<false>(from, std::min(channels, lanes<T>) * plane);
          return detail::to_register(load(from));
        },
        [&](int j, const auto& v) {
          if (j < width) detail::store<T>(v, out + (i + j) * step, lanes<T>);
        });
  };
  Index i = 0;
  for (; i + lanes<T> <= count; i += lanes<T>) square(i, lanes<T>, [](const T* from) { return V::load(from); });
  if (i < count) square(i, count - i, [n = int(count - i)](const T* from) { return V::load_partial(from, n); });
}

/// The reverse: out[c plane + i] = in[i lanes + c] for i < count and c < channels <= lanes. Where the next ones will be
/// written is fetched.
template <class T>
void lanes_to_planes(const T* in, Index count, T* out, Index plane, Index channels) {
  using V = simd::Batch<T>;
  const bool ahead = detail::worth_fetching<T>(plane);
  const auto square = [&](Index i, Index width) {
    detail::transpose<T>(
        [&](int j) { return detail::to_register(V::load(in + (i + std::min<Index>(j, width - 1)) * lanes<T>)); },
        [&](int c, const auto& v) {
          if (c >= channels) return;
          T* const to = out + c * plane + i;
          if (ahead) detail::fetch<true>(to, channels * plane);
          detail::store<T>(v, to, width);
        });
  };
  Index i = 0;
  for (; i + lanes<T> <= count; i += lanes<T>) square(i, lanes<T>);
  if (i < count) square(i, count - i);
}

/// How the sum of many products over `items` of the batch is shared out: each part adds up some of the items for
/// itself, and the parts are added in their order. By the sizes alone. A part takes at least 512 positions, and large
/// sums get few parts, as each costs memory; with fewer than four, the blocks of the result are divided as well.
struct SumPieces {
  Index items, blocks, parts, groups;
  SumPieces(Index item_count, Index positions, Index sum_size, Index block_count)
      : items(item_count), blocks(block_count) {
    constexpr Index few = 4, enough = 16, fewest_positions = 512, numbers = 1 << 21;
    const Index affordable = std::max(numbers / sum_size, sum_size > 2 * numbers ? few / 2 : few);
    parts = std::clamp<Index>(std::min(positions / fewest_positions, affordable), 1, std::min(items, enough));
    groups = std::min(divide_up(few, parts), divide_up(blocks, 2));
  }
  Index count() const { return parts * groups; }
  Index most_blocks() const { return divide_up(blocks, groups); }
  Index first_item(Index part) const { return items * part / parts; }
  struct Piece {
    Index part, block, blocks;
  };
  Piece at(Index i) const {
    const Index group = i % groups, first = blocks * group / groups;
    return {i / groups, first, blocks * (group + 1) / groups - first};
  }
};

/// A rectangle of a block of channels, (rows, columns, lanes), with zeros where it reaches beyond the image (channels,
/// height, width). Its upper left corner is at (top, left), which may be negative.
struct Rectangle {
  Index top, left, rows, columns;
};
template <class T>
void copy_rectangle(const T* image, Index channels, Index height, Index width, const Rectangle& r, T* out) {
  const Index begin = std::clamp<Index>(-r.left, 0, r.columns);
  const Index end = std::clamp<Index>(width - r.left, begin, r.columns);
  for (Index i = 0; i < r.rows; ++i, out += r.columns * lanes<T>) {
    const Index row = r.top + i;
    if (row < 0 || row >= height) {
      std::fill_n(out, r.columns * lanes<T>, T(0));
      continue;
    }
    std::fill_n(out, begin * lanes<T>, T(0));
    planes_to_lanes(image + row * width + r.left + begin, height * width, channels, end - begin,
                    out + begin * lanes<T>);
    std::fill_n(out + end * lanes<T>, (r.columns - end) * lanes<T>, T(0));
  }
}

}  // namespace gradus::kernels
