// The scheme of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008: c is made in tiles
// that stay in registers, from parts of a and b that were copied into the order in which the innermost loop reads them,
// and that stay in the caches.
#include "gradus/kernels/product.hpp"

#include <algorithm>
#include <array>

#include "gradus/core/environment.hpp"
#include "gradus/core/error.hpp"
#include "gradus/kernels/channel_blocks.hpp"
#include "gradus/kernels/register_tile.hpp"

namespace gradus::kernels {

#if defined(__AVX512F__)

namespace {

using simd::Batch;

constexpr Index depth = 256;          // of k at a time: a panel of b, 2 batches wide, takes up to 32 KiB
constexpr Index block_rows = 84;      // of a at a time: 84 KiB (float)
constexpr Index block_columns = 512;  // of b at a time: 512 KiB (float)

// Where part i begins, when all parts are about equal.
Index start_of(Index size, Index parts, Index i) { return size * i / parts; }

// A part of op(b), k rows and `columns` columns, in panels one behind the other, each (k, lanes) with zeros in columns
// that do not exist: from rows along k, from[column * row + p], or along the columns, from[p * row + column]. Of the
// latter a few panels are filled at a time, so that whole lines of the cache are read, and several of a page.
template <class T>
void pack_right(bool along_k, const T* from, Index row, Index columns, Index k, T* out) {
  using V = Batch<T>;
  if (along_k) {
    for (Index j = 0; j < columns; j += lanes<T>) planes_to_lanes(from + j * row, row, columns - j, k, out + j * k);
    return;
  }
  constexpr Index group = 4 * lanes<T>;
  Index first = 0;
  for (; first + group <= columns; first += group)
    for (Index p = 0; p < k; ++p)
#pragma GCC unroll 4
      for (Index j = 0; j < group; j += lanes<T>)
        V::load(from + p * row + first + j).store(out + (first + j) * k + p * lanes<T>);
  for (; first < columns; first += lanes<T>)
    for (Index p = 0; p < k; ++p)
      V::load_partial(from + p * row + first, int(std::min(columns - first, lanes<T>)))
          .store(out + first * k + p * lanes<T>);
}

// Rows of op(a) side by side: element (r, p) is data[p * step + r]. Packed, or a matrix that is to be transposed, where
// it lies.
template <class T, int rows>
struct RowsTogether {
  const T* data;
  Index step;
  RowsTogether(const T* from, Index distance) : data(from), step(distance) {}
  T at(int r) const { return data[r]; }
  void next() { data += step; }
};

// The part of op(a) for a tile, and its distance from one row or column to the next.
template <class T>
struct Left {
  const T* data;
  Index step;
};

// A tile of c, of whose panels the first `columns` columns exist.
template <class T, class LeftRows, int panels, int rows>
void tile(Index k, Left<T> a, const T* b, Addend<T> addend, T* c, Index c_row, Index columns) {
  using V = Batch<T>;
  for (int r = 0; r < rows; ++r) __builtin_prefetch(c + r * c_row, 1);
  TileSums<T, rows, panels> sums;
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < panels; ++v) sums[r][v] = V(0);
  accumulate<T, rows, panels>(k, LeftRows(a.data, a.step), b, k * V::size, sums);
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < panels; ++v) {
      const int count = int(std::clamp<Index>(columns - v * V::size, 0, V::size));
      T* to = c + r * c_row + v * V::size;
      V sum = sums[r][v];
      if (addend.data != nullptr) {
        const T* from = addend.data + r * addend.row + v * V::size;
        sum = (count == V::size ? V::load(from) : V::load_partial(from, count)) + sum;
      }
      count == V::size ? sum.store(to) : sum.store_partial(to, count);
    }
}

// tiles[rows apart][panels - 1][rows - 1]
template <class T>
constexpr std::array tiles{
    for_all_tiles<T>([]<int panels, int rows>() { return &tile<T, RowsTogether<T, rows>, panels, rows>; }),
    for_all_tiles<T>([]<int panels, int rows>() { return &tile<T, RowsApart<T, rows>, panels, rows>; })};

// How rows of op(a) are copied, tile by tile, into a place where they share no sets of the cache: rows that lie apart stay
// rows, `step` apart; those that lie together are cut to the tile's height.
template <class T>
struct PackedRows {
  using V = Batch<T>;
  static_assert(most_rows<T> <= 2 * lanes<T>);
  bool together;
  Index step, tile_size;
  PackedRows(bool transpose_a, Index most_k)
      : together(transpose_a),
        step(together ? divide_up(most_rows<T>, lanes<T>) * lanes<T> : divide_up(most_k, lanes<T>) * lanes<T> + lanes<T>),
        tile_size(together ? (most_k + 2) * step : most_rows<T> * step) {}

  void pack(const TileRows<T>& parts, const T* from, Index row, Index k, T* out) const {
    constexpr Index most_parts = divide_up(block_rows, most_rows<T>);
    std::array<Index, most_parts + 1> first;
    for (Index t = 0; t <= parts.count; ++t) first[std::size_t(t)] = parts.first(t);
    if (together) {
      for (Index p = 0; p < k; ++p)
        for (Index t = 0; t < parts.count; ++t)
          copy(from + p * row + first[std::size_t(t)], first[std::size_t(t) + 1] - first[std::size_t(t)],
               out + t * tile_size + p * step);
    } else {
      for (Index t = 0; t < parts.count; ++t)
        for (Index r = first[std::size_t(t)]; r < first[std::size_t(t) + 1]; ++r)
          copy(from + r * row, k, out + t * tile_size + (r - first[std::size_t(t)]) * step);
    }
  }

 private:
  static void copy(const T* from, Index count, T* to) {
    Index i = 0;
    for (; i + lanes<T> <= count; i += lanes<T>) V::load(from + i).store(to + i);
    if (i < count) V::load_partial(from + i, int(count - i)).store(to + i);
  }
};

// Whether a is used where it lies: not when its elements are read often, and not when they share too few sets of the
// cache, or too many pages.
template <class T>
bool in_place(bool transpose_a, Index n, Index a_row) {
  const Index bytes = a_row * Index(sizeof(T));
  return n <= 512 && (transpose_a ? bytes < 4096 : bytes % 2048 != 0);
}

}  // namespace

bool product_suits(Index m, Index n) { return m >= 8 && n >= Batch<float>::size; }

template <class T>
void product(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, Index a_row, const T* b,
             Index b_row, Addend<T> addend, T* c, Index c_row) {
  const Index depths = divide_up(k, depth), bands = divide_up(m, block_rows), most_k = divide_up(k, depths);
  const PackedRows<T> packed(transpose_a, most_k);
  const bool lies = in_place<T>(transpose_a, n, a_row);
  const Buffer<T> packed_a(lies ? 0 : divide_up(divide_up(m, bands), most_rows<T>) * packed.tile_size);
  const Buffer<T> packed_b(blocks_of<T>(std::min(n, block_columns)) * lanes<T> * most_k);
  for (Index left = 0; left < n; left += block_columns) {
    const Index columns = std::min(block_columns, n - left);
    for (Index d = 0; d < depths; ++d) {
      const Index p = start_of(k, depths, d), inner = start_of(k, depths, d + 1) - p;
      pack_right(transpose_b, b + (transpose_b ? left * b_row + p : p * b_row + left), b_row, columns, inner,
                 packed_b.data());
      for (Index band = 0; band < bands; ++band) {
        const Index top = start_of(m, bands, band);
        const TileRows<T> parts{start_of(m, bands, band + 1) - top};
        const auto part_of_a = [&](Index i) { return a + (transpose_a ? p * a_row + top + i : (top + i) * a_row + p); };
        if (!lies) packed.pack(parts, part_of_a(0), a_row, inner, packed_a.data());
        for (Index j = 0; j < columns; j += most_panels * lanes<T>)
          for (Index t = 0; t < parts.count; ++t) {
            const Index i = parts.first(t), panels = std::min<Index>(most_panels, blocks_of<T>(columns - j));
            const Left<T> part =
                lies ? Left<T>{part_of_a(i), a_row} : Left<T>{packed_a.data() + t * packed.tile_size, packed.step};
            T* to = c + (top + i) * c_row + left + j;
            const Addend<T> added = d > 0                     ? Addend<T>{to, c_row}
                                    : addend.data != nullptr ? Addend<T>{addend.data + (top + i) * addend.row + left + j,
                                                                          addend.row}
                                                              : Addend<T>{};
            tiles<T>[!transpose_a][std::size_t(panels - 1)][std::size_t(parts.height(t) - 1)](
                inner, part, packed_b.data() + j * inner, added, to, c_row, columns - j);
          }
      }
    }
  }
}

#else

bool product_suits(Index, Index) { return false; }

template <class T>
void product(bool, bool, Index, Index, Index, const T*, Index, const T*, Index, Addend<T>, T*, Index) {
  fail("product", "there is none for this machine's vectors");
}

#endif

bool product_enabled() {
  static const bool enabled = left_on("GRADUS_PRODUCT");
  return enabled;
}

template void product(bool, bool, Index, Index, Index, const float*, Index, const float*, Index, Addend<float>, float*,
                      Index);
template void product(bool, bool, Index, Index, Index, const double*, Index, const double*, Index, Addend<double>,
                      double*, Index);

}  // namespace gradus::kernels
