#pragma once
// For source files only: products of small matrices that lie in blocks (channel_blocks.hpp), with the columns of
// the result in panels of as many as a vector register has numbers (lanes). A panel is (rows, lanes), contiguous.
// Unlike product.cpp this puts nothing in order first and cuts nothing to the caches; the innermost loop is the same.
#include <algorithm>

#include "gradus/kernels/register_tile.hpp"

namespace gradus::kernels {

/// The left factor, read where it lies: element (i, k) is data[segments[k / length] + rows(i) + k % length * step],
/// with rows(i) = i row when `row` is not 0, and row_table[i] when it is.
template <class T>
struct LeftFactor {
  const T* data;
  const Index* segments;
  Index segment_count, length;
  const Index* row_table = nullptr;
};

/// Panels of the right factor, (depth, lanes) and contiguous, each `distance` from the one before.
template <class T>
struct RightFactor {
  const T* data;
  Index distance;
};

/// Panels of the result, whose rows are `row` apart.
template <class T>
struct Panels {
  T* data;
  Index distance;
  Index row = simd::Batch<T>::size;
};

/// What the sums start with: 0, what is in the result already, or a row that is the same for all, lanes numbers for
/// each panel.
template <class T>
struct Start {
  bool result = false;
  const T* row = nullptr;
};

namespace detail {

// With `row` 0 the places of rows are in the table.
template <class T, Index row, Index step>
struct BlockedLeft {
  const T* data;
  const Index* table;
  T at(int i) const { return data[row != 0 ? i * row : table[i]]; }
  void next() { data += step; }
};

template <class T, Index row, Index step, int panels, int rows>
void multiply_tile(const LeftFactor<T>& a, RightFactor<T> b, Panels<T> c, Start<T> start) {
  using V = simd::Batch<T>;
  TileSums<T, rows, panels> sum;
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
    for (int n = 0; n < panels; ++n)
      sum[i][n] = start.result           ? V::load(c.data + n * c.distance + i * c.row)
                  : start.row != nullptr ? V::load(start.row + n * V::size)
                                         : V(0);
  for (Index s = 0; s < a.segment_count; ++s, b.data += a.length * V::size)
    accumulate<T, rows, panels>(a.length, BlockedLeft<T, row, step>{a.data + a.segments[s], a.row_table}, b.data,
                                b.distance, sum);
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
    for (int n = 0; n < panels; ++n) sum[i][n].store(c.data + n * c.distance + i * c.row);
}

}  // namespace detail

/// c = start + a b. The sum over k is added up in its order, by fma, whatever the number of rows and panels.
template <Index row, Index step, class T>
void multiply_blocked(const LeftFactor<T>& a, RightFactor<T> b, Panels<T> c, Index rows, Index panels,
                      Start<T> start = {}) {
  static constexpr auto products =
      for_all_tiles<T>([]<int width, int count>() { return &detail::multiply_tile<T, row, step, width, count>; });
  const TileRows<T> tiles{rows};
  for (Index n = 0; n < panels; n += most_panels) {
    const Index width = std::min<Index>(most_panels, panels - n);
    const T* from = start.row == nullptr ? nullptr : start.row + n * simd::Batch<T>::size;
    for (Index t = 0; t < tiles.count; ++t) {
      const Index first = tiles.first(t);
      const LeftFactor<T> part{a.data + first * row, a.segments, a.segment_count, a.length,
                               row == 0 ? a.row_table + first : nullptr};
      products[std::size_t(width - 1)][std::size_t(tiles.height(t) - 1)](
          part, {b.data + n * b.distance, b.distance}, {c.data + n * c.distance + first * c.row, c.distance, c.row},
          {start.result, from});
    }
  }
}

}  // namespace gradus::kernels
