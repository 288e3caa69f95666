#pragma once
// For source files only: the innermost loop of all matrix products of ours. A tile of the result, a few rows of a few
// panels, stays in registers while the products of a column of the left factor and a row of the right one are added.
// A panel has as many columns as a vector register has numbers (lanes).
#include <array>
#include <type_traits>
#include <utility>

#include "gradus/core/shape.hpp"
#include "gradus/core/simd.hpp"

namespace gradus::kernels {

/// As many sums as there are registers for, with what is multiplied beside them.
inline constexpr int most_panels = 2;
template <class T>
inline constexpr int most_rows = simd::Batch<T>::wide ? 14 : 6;

template <class T, int rows, int panels>
using TileSums = simd::Batch<T>[rows][panels];

/// sum(i, panel n) += the sum over k < depth of left(i, k) right(k, panel n), added up in the order of k by fma. `left`
/// gives the element of row i by at(i) and goes on to the next column by next(); panel n of `right`, (depth, lanes) and
/// contiguous, is n distance from the first.
template <class T, int rows, int panels, class Left>
[[gnu::always_inline]] inline void accumulate(Index depth, Left left, const T* right, Index distance,
                                              TileSums<T, rows, panels>& sum) {
  using V = simd::Batch<T>;
  for (Index k = 0; k < depth; ++k, left.next(), right += V::size) {
    V b[panels];
#pragma GCC unroll 2
    for (int n = 0; n < panels; ++n) b[n] = V::load(right + n * distance);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const V a(left.at(i));
#pragma GCC unroll 2
      for (int n = 0; n < panels; ++n) sum[i][n] = fma(a, b[n], sum[i][n]);
    }
  }
}

/// A left factor for accumulate, read where it lies: element (r, k) is data[r * step + k]. Addresses have a base and an
/// index of one or two steps, so that a base serves three rows.
template <class T, int rows>
struct RowsApart {
  static constexpr int bases = (rows + 2) / 3;
  const T* base[bases];
  Index step;
  RowsApart(const T* from, Index distance) : step(distance) {
#pragma GCC unroll 16
    for (int i = 0; i < bases; ++i) base[i] = from + 3 * i * step;
  }
  T at(int r) const { return base[r / 3][r % 3 * step]; }
  void next() {
#pragma GCC unroll 16
    for (int i = 0; i < bases; ++i) ++base[i];
  }
};

/// `rows` rows in as few tiles as hold them, about equal, rather than with a thin one at the end: where tile t begins,
/// and how many rows it has.
template <class T>
struct TileRows {
  Index rows, count = (rows + most_rows<T> - 1) / most_rows<T>;
  Index first(Index t) const { return rows * t / count; }
  Index height(Index t) const { return first(t + 1) - first(t); }
};

/// make<panels, rows>() for tiles of all sizes, at [panels - 1][rows - 1].
template <class T, class Maker>
constexpr auto for_all_tiles(Maker make) {
  const auto by_rows = [&]<int panels, int... rows>(std::integral_constant<int, panels>,
                                                    std::integer_sequence<int, rows...>) {
    return std::array{make.template operator()<panels, rows + 1>()...};
  };
  constexpr std::make_integer_sequence<int, most_rows<T>> all_rows;
  return std::array{by_rows(std::integral_constant<int, 1>{}, all_rows),
                    by_rows(std::integral_constant<int, 2>{}, all_rows)};
}

}  // namespace gradus::kernels
