// The scheme of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008: c is made in tiles
// that stay in registers, from parts of a and b that were copied into the order in which the innermost loop reads them,
// and that stay in the caches.
#include "gradus/kernels/product.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "gradus/core/allocator.hpp"
#include "gradus/core/error.hpp"
#include "gradus/core/simd.hpp"

namespace gradus::kernels {

#if defined(__AVX512F__)

namespace {

using simd::Batch;

constexpr int tile_rows = 14;  // 14 rows of 2 batches, the batches of b and the number of a fit the 32 registers
constexpr int tile_batches = 2;
constexpr Index depth = 256;          // of k at a time: a panel of b, 2 batches wide, takes up to 32 KiB
constexpr Index block_rows = 84;      // of a at a time: 84 KiB (float)
constexpr Index block_columns = 512;  // of b at a time: 512 KiB (float)

Index parts_of(Index size, Index largest) { return (size + largest - 1) / largest; }
// Where part i begins, when all parts are about equal.
Index start_of(Index size, Index parts, Index i) { return size * i / parts; }

// -- putting parts of a and b in order: out[p * width + lane] for lane < width, p < k; zeros beyond `count` lanes

inline __m512 exchange(__m512 a, __m512i places, __m512 b) { return _mm512_permutex2var_ps(a, places, b); }
inline __m512d exchange(__m512d a, __m512i places, __m512d b) { return _mm512_permutex2var_pd(a, places, b); }

// Places for exchange: blocks of h lanes of a second row replace every other block of a first one, and the other way
// round.
template <class T>
struct Places {
  using Word = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  static constexpr int size = Batch<T>::size;
  alignas(64) Word upper[size], lower[size];
  explicit constexpr Places(int h) : upper(), lower() {
    for (int lane = 0; lane < size; ++lane) {
      const bool other = (lane & h) != 0;
      upper[lane] = Word(other ? size + lane - h : lane);
      lower[lane] = Word(other ? size + lane : lane + h);
    }
  }
};

template <class T, int H>
inline void exchange_blocks(typename Batch<T>::Native (&rows)[Batch<T>::size]) {
  static constexpr Places<T> places(H);
  const __m512i upper = _mm512_load_si512(places.upper), lower = _mm512_load_si512(places.lower);
  for (int i = 0; i < Batch<T>::size; ++i) {
    if ((i & H) != 0) continue;
    const auto a = rows[i], b = rows[i + H];
    rows[i] = exchange(a, upper, b);
    rows[i + H] = exchange(a, lower, b);
  }
  if constexpr (H > 1) exchange_blocks<T, H / 2>(rows);
}

// From rows along k: from[lane * row + p].
template <class T>
void pack_transposed(const T* from, Index row, int count, int width, Index k, T* out) {
  constexpr int size = Batch<T>::size;
  for (int lane = 0; lane < width; lane += size) {
    const int lanes = std::min(size, width - lane), filled = std::clamp(count - lane, 0, lanes);
    for (Index p = 0; p < k; p += size) {
      const int steps = int(std::min<Index>(size, k - p));
      typename Batch<T>::Native rows[size];
      for (int i = 0; i < size; ++i)
        rows[i] =
            i < filled ? Batch<T>::load_partial(from + (lane + i) * row + p, steps).native() : Batch<T>(0).native();
      exchange_blocks<T, size / 2>(rows);
      for (int i = 0; i < steps; ++i) Batch<T>(rows[i]).store_partial(out + (p + i) * width + lane, lanes);
    }
  }
}

// From rows along the lanes: from[p * row + lane].
template <class T>
void pack_straight(const T* from, Index row, int count, int width, Index k, T* out) {
  constexpr int size = Batch<T>::size;
  for (int lane = 0; lane < width; lane += size) {
    const int lanes = std::min(size, width - lane), filled = std::clamp(count - lane, 0, lanes);
    if (filled == size)
      for (Index p = 0; p < k; ++p) Batch<T>::load(from + p * row + lane).store(out + p * width + lane);
    else
      for (Index p = 0; p < k; ++p)
        Batch<T>::load_partial(from + p * row + lane, filled).store_partial(out + p * width + lane, lanes);
  }
}

template <class T>
void pack(bool along_k, const T* from, Index row, int count, int width, Index k, T* out) {
  if (along_k)
    pack_transposed(from, row, count, width, k, out);
  else
    pack_straight(from, row, count, width, k, out);
}

// -- tiles

// The part of op(a) for a tile. Element (r, p) is data[p * step + r]: packed, or a matrix that is to be transposed,
// where it lies; or, with rows apart, data[r * step + p]: a matrix where it lies.
template <class T>
struct Left {
  const T* data;
  Index step;
};

// R rows and N batches of c, of which the first `columns` columns exist.
template <class T, bool rows_apart, int N, int R>
void tile(Index k, Left<T> a, const T* b, bool add, T* c, Index c_row, Index columns) {
  using V = Batch<T>;
  V sums[R][N];
  for (int r = 0; r < R; ++r) __builtin_prefetch(c + r * c_row, 1);
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) sums[r][v] = V(0);
  // Addresses have a base and an index of one or two steps, so that a base serves three rows.
  constexpr int bases = rows_apart ? (R + 2) / 3 : 1;
  const T* base[bases];
#pragma GCC unroll 14
  for (int i = 0; i < bases; ++i) base[i] = a.data + 3 * i * a.step;
  for (Index p = 0; p < k; ++p, b += N * V::size) {
    V right[N];
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) right[v] = V::load_aligned(b + v * V::size);
#pragma GCC unroll 14
    for (int r = 0; r < R; ++r) {
      const V left(rows_apart ? base[r / 3 % bases][r % 3 * a.step] : base[0][r]);
#pragma GCC unroll 2
      for (int v = 0; v < N; ++v) sums[r][v] = fma(left, right[v], sums[r][v]);
    }
#pragma GCC unroll 14
    for (int i = 0; i < bases; ++i) base[i] += rows_apart ? 1 : a.step;
  }
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < N; ++v) {
      const int count = int(std::clamp<Index>(columns - v * V::size, 0, V::size));
      T* to = c + r * c_row + v * V::size;
      if (count == V::size)
        (add ? V::load(to) + sums[r][v] : sums[r][v]).store(to);
      else
        (add ? V::load_partial(to, count) + sums[r][v] : sums[r][v]).store_partial(to, count);
    }
}

template <class T>
using Tile = void (*)(Index, Left<T>, const T*, bool, T*, Index, Index);
template <class T>
using TilesByRows = std::array<Tile<T>, tile_rows>;

template <class T, bool rows_apart, int N, int... R>
constexpr TilesByRows<T> tiles_of(std::integer_sequence<int, R...>) {
  return {tile<T, rows_apart, N, R + 1>...};
}
template <class T, bool rows_apart>
constexpr std::array<TilesByRows<T>, tile_batches> tiles_by_batches() {
  constexpr std::make_integer_sequence<int, tile_rows> rows;
  return {tiles_of<T, rows_apart, 1>(rows), tiles_of<T, rows_apart, 2>(rows)};
}
// tiles[rows apart][N - 1][R - 1]
template <class T>
constexpr std::array<std::array<TilesByRows<T>, tile_batches>, 2> tiles = {tiles_by_batches<T, false>(),
                                                                           tiles_by_batches<T, true>()};

// Whether a is used where it lies: not when its elements are read often, and not when they share too few sets of the
// cache, or too many pages.
template <class T>
bool in_place(bool transpose_a, Index n, Index a_row) {
  const Index bytes = a_row * Index(sizeof(T));
  return n <= 512 && (transpose_a ? bytes < 4096 : bytes % 2048 != 0);
}

template <class T>
class Workspace {
 public:
  explicit Workspace(Index numbers)
      : bytes_(std::size_t(numbers) * sizeof(T)), data_(static_cast<T*>(memory::allocate(bytes_))) {}
  ~Workspace() { memory::release(data_, bytes_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  T* data() const { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

}  // namespace

bool product_suits(Index m, Index n) { return m >= 8 && n >= Batch<float>::size; }

template <class T>
void product(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, Index a_row, const T* b,
             Index b_row, bool add, T* c, Index c_row) {
  constexpr Index size = Batch<T>::size, panel = tile_batches * size;
  const Index depths = parts_of(k, depth), bands = parts_of(m, block_rows);
  const Index most_k = parts_of(k, depths), most_rows = parts_of(m, bands);
  const bool lies = in_place<T>(transpose_a, n, a_row), rows_apart = lies && !transpose_a;
  const Workspace<T> packed_a(lies ? 0 : most_rows * most_k);
  const Workspace<T> packed_b(parts_of(std::min(n, block_columns), panel) * panel * most_k);
  for (Index left = 0; left < n; left += block_columns) {
    const Index columns = std::min(block_columns, n - left);
    for (Index d = 0; d < depths; ++d) {
      const Index p = start_of(k, depths, d), inner = start_of(k, depths, d + 1) - p;
      const auto batches_of = [&](Index column) { return columns - column > size ? tile_batches : 1; };
      for (Index j = 0; j < columns; j += panel)
        pack(transpose_b, b + (transpose_b ? (left + j) * b_row + p : p * b_row + left + j), b_row,
             int(std::min(panel, columns - j)), int(batches_of(j) * size), inner, packed_b.data() + j * inner);
      for (Index band = 0; band < bands; ++band) {
        const Index top = start_of(m, bands, band), rows = start_of(m, bands, band + 1) - top,
                    count = parts_of(rows, tile_rows);
        const auto part_of_a = [&](Index i) { return a + (transpose_a ? p * a_row + top + i : (top + i) * a_row + p); };
        for (Index t = 0; t < count && !lies; ++t) {
          const Index i = start_of(rows, count, t), height = start_of(rows, count, t + 1) - i;
          pack(!transpose_a, part_of_a(i), a_row, int(height), int(height), inner, packed_a.data() + i * inner);
        }
        for (Index j = 0; j < columns; j += panel)
          for (Index t = 0; t < count; ++t) {
            const Index i = start_of(rows, count, t), height = start_of(rows, count, t + 1) - i;
            const Left<T> part = lies ? Left<T>{part_of_a(i), a_row} : Left<T>{packed_a.data() + i * inner, height};
            tiles<T>[rows_apart][std::size_t(batches_of(j) - 1)][std::size_t(height - 1)](
                inner, part, packed_b.data() + j * inner, add || d > 0, c + (top + i) * c_row + left + j, c_row,
                columns - j);
          }
      }
    }
  }
}

#else

bool product_suits(Index, Index) { return false; }

template <class T>
void product(bool, bool, Index, Index, Index, const T*, Index, const T*, Index, bool, T*, Index) {
  fail("product", "there is none for this machine's vectors");
}

#endif

template void product(bool, bool, Index, Index, Index, const float*, Index, const float*, Index, bool, float*, Index);
template void product(bool, bool, Index, Index, Index, const double*, Index, const double*, Index, bool, double*,
                      Index);

}  // namespace gradus::kernels
