#pragma once
// For source files only: products of small matrices that lie in blocks (channel_blocks.hpp), with the columns of
// the result in panels of as many as a vector register has numbers (lanes). A panel is (rows, lanes), contiguous.
#include <algorithm>
#include <array>
#include <utility>

#include "gradus/core/shape.hpp"
#include "gradus/core/simd.hpp"

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

// As many sums as there are registers for, with what is multiplied beside them.
inline constexpr int most_panels = 2;
template <class T>
inline constexpr int most_rows = simd::Batch<T>::wide ? 12 : 6;

template <class T, Index row, Index step, int rows, int panels>
void multiply_tile(const LeftFactor<T>& a, RightFactor<T> b, Panels<T> c, Start<T> start) {
  using V = simd::Batch<T>;
  V sum[rows][panels];
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
    for (int n = 0; n < panels; ++n)
      sum[i][n] = start.result           ? V::load(c.data + n * c.distance + i * c.row)
                  : start.row != nullptr ? V::load(start.row + n * V::size)
                                         : V(0);
  for (Index s = 0; s < a.segment_count; ++s) {
    const T* left = a.data + a.segments[s];
    for (Index k = 0; k < a.length; ++k, left += step, b.data += V::size) {
      V right[panels];
#pragma GCC unroll 2
      for (int n = 0; n < panels; ++n) right[n] = V::load(b.data + n * b.distance);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
        for (int n = 0; n < panels; ++n)
          sum[i][n] = fma(V(left[row != 0 ? i * row : a.row_table[i]]), right[n], sum[i][n]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
    for (int n = 0; n < panels; ++n) sum[i][n].store(c.data + n * c.distance + i * c.row);
}

template <class T>
using TileProduct = void (*)(const LeftFactor<T>&, RightFactor<T>, Panels<T>, Start<T>);

template <class T, Index row, Index step, int panels, std::size_t... rows>
constexpr auto tile_products(std::index_sequence<rows...>) {
  return std::array<TileProduct<T>, sizeof...(rows)>{multiply_tile<T, row, step, int(rows) + 1, panels>...};
}

}  // namespace detail

/// c = start + a b. The sum over k is added up in its order, by fma, whatever the number of rows and panels.
template <Index row, Index step, class T>
void multiply_blocked(const LeftFactor<T>& a, RightFactor<T> b, Panels<T> c, Index rows, Index panels,
                      Start<T> start = {}) {
  using detail::most_panels, detail::most_rows;
  static constexpr auto all_rows = std::make_index_sequence<std::size_t(most_rows<T>)>{};
  static constexpr std::array products{detail::tile_products<T, row, step, 1>(all_rows),
                                       detail::tile_products<T, row, step, 2>(all_rows)};
  // Equal tiles, rather than a thin one at the end.
  const Index tiles = (rows + most_rows<T> - 1) / most_rows<T>;
  for (Index n = 0; n < panels; n += most_panels) {
    const Index width = std::min<Index>(most_panels, panels - n);
    const T* from = start.row == nullptr ? nullptr : start.row + n * simd::Batch<T>::size;
    for (Index t = 0; t < tiles; ++t) {
      const Index first = rows * t / tiles, count = rows * (t + 1) / tiles - first;
      const LeftFactor<T> part{a.data + first * row, a.segments, a.segment_count, a.length,
                               row == 0 ? a.row_table + first : nullptr};
      products[std::size_t(width - 1)][std::size_t(count - 1)](
          part, {b.data + n * b.distance, b.distance}, {c.data + n * c.distance + first * c.row, c.distance, c.row},
          {start.result, from});
    }
  }
}

}  // namespace gradus::kernels
