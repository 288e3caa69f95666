#include "gradus/kernels/thin_product.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "gradus/core/simd.hpp"
#include "gradus/kernels/row_batches.hpp"

namespace gradus::kernels {
namespace {

using simd::Batch;

constexpr int thin = 8;
constexpr Index depth = 256;  // of k at a time, so that long sums are sums of sums

// Element (i, j) is data[i * row + j * column].
template <class T>
struct Matrix {
  T* data;
  Index row, column;
};

// R rows and N batches of columns of c, of which the first `columns` columns exist, from R rows of a and all of b, whose
// rows lie in one piece.
template <class T, int R, int N>
void few_rows_part(Index columns, Index k, Matrix<const T> a, const T* b, Index b_row, bool add, Matrix<T> c) {
  using V = Batch<T>;
  int count[N];
  for (int v = 0; v < N; ++v) count[v] = int(std::clamp<Index>(columns - v * V::size, 0, V::size));
  for (Index first = 0; first < k; first += depth) {
    V sum[R][N];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) sum[i][v] = V(0);
    const Index last = std::min(k, first + depth);
    for (Index p = first; p < last; ++p) {
      V right[N];
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) right[v] = load(b + p * b_row + v * V::size, count[v]);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) {
        const V left(a.data[i * a.row + p * a.column]);
#pragma GCC unroll 8
        for (int v = 0; v < N; ++v) sum[i][v] = fma(left, right[v], sum[i][v]);
      }
    }
    for (int i = 0; i < R; ++i)
      for (int v = 0; v < N; ++v) {
        alignas(V::alignment) T numbers[V::size];
        sum[i][v].store_aligned(numbers);
        T* to = c.data + i * c.row + v * V::size * c.column;
        for (int q = 0; q < count[v]; ++q) to[q * c.column] = numbers[q] + (add || first > 0 ? to[q * c.column] : T(0));
      }
  }
}

// As many columns at a time as there are registers for, so that b is read in long pieces.
template <class T, int R>
void few_rows(Index n, Index k, Matrix<const T> a, const T* b, Index b_row, bool add, Matrix<T> c) {
  constexpr int most = R <= 2 ? 8 : R <= 4 ? 4 : 2;
  constexpr Index size = Batch<T>::size;
  for (Index j = 0; j < n;) {
    const Index left = n - j;
    const Matrix<T> part{c.data + j * c.column, c.row, c.column};
    if (left > size * most / 2) {
      few_rows_part<T, R, most>(left, k, a, b + j, b_row, add, part);
      j += size * most;
    } else if (most == 8 && left > 2 * size) {
      few_rows_part<T, R, most / 2>(left, k, a, b + j, b_row, add, part);
      j += size * most / 2;
    } else {
      few_rows_part<T, R, 2>(left, k, a, b + j, b_row, add, part);
      j += 2 * size;
    }
  }
}

// R columns of c: inner products of each row of a with R rows of b, all in one piece.
template <class T, int R>
void few_columns(Index m, Index k, const T* a, Index a_row, const T* b, Index b_row, bool add, Matrix<T> c) {
  using V = Batch<T>;
  for (Index i = 0; i < m; ++i)
    for (Index first = 0; first < k; first += depth * V::size) {
      const Index last = std::min(k, first + depth * V::size);
      V sum[R];
#pragma GCC unroll 8
      for (int j = 0; j < R; ++j) sum[j] = V(0);
      for (Index p = first; p < last; p += V::size) {
        const int count = int(std::min<Index>(V::size, last - p));
        const V left = load(a + i * a_row + p, count);
#pragma GCC unroll 8
        for (int j = 0; j < R; ++j) sum[j] = fma(left, load(b + j * b_row + p, count), sum[j]);
      }
      for (int j = 0; j < R; ++j) {
        T& to = c.data[i * c.row + j * c.column];
        to = add || first > 0 ? to + reduce_add(sum[j]) : reduce_add(sum[j]);
      }
    }
}

template <class T>
using FewRows = void (*)(Index, Index, Matrix<const T>, const T*, Index, bool, Matrix<T>);
template <class T>
using FewColumns = void (*)(Index, Index, const T*, Index, const T*, Index, bool, Matrix<T>);

template <class T, int... R>
constexpr std::array<FewRows<T>, thin> rows_of(std::integer_sequence<int, R...>) {
  return {few_rows<T, R + 1>...};
}
template <class T, int... R>
constexpr std::array<FewColumns<T>, thin> columns_of(std::integer_sequence<int, R...>) {
  return {few_columns<T, R + 1>...};
}
template <class T>
constexpr std::array<FewRows<T>, thin> all_rows = rows_of<T>(std::make_integer_sequence<int, thin>());
template <class T>
constexpr std::array<FewColumns<T>, thin> all_columns = columns_of<T>(std::make_integer_sequence<int, thin>());

}  // namespace

template <class T>
bool thin_product_suits(bool transpose_a, bool transpose_b, Index m, Index n, Index k) {
  if (n > thin && (m > thin || (transpose_a && transpose_b))) return false;
  // An inner product ends with a sum over the numbers of a batch, which should not take longer than the rest.
  const bool inner = n > thin ? transpose_b : !transpose_a, thinner = (n > thin ? m : n) <= thin / 2;
  return inner ? thinner && k >= 8 * Batch<T>::size : thinner || k >= depth / 2;
}

template <class T>
void thin_product(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, Index a_row, const T* b,
                  Index b_row, bool add, T* c, Index c_row) {
  const Matrix<const T> left{a, transpose_a ? 1 : a_row, transpose_a ? a_row : 1};
  if (n > thin) {
    if (!transpose_b) return all_rows<T>[std::size_t(m - 1)](n, k, left, b, b_row, add, {c, c_row, 1});
    // c^T = b a^T
    return all_columns<T>[std::size_t(m - 1)](n, k, b, b_row, a, a_row, add, {c, 1, c_row});
  }
  // op(b)^T, of few rows
  const Matrix<const T> right{b, transpose_b ? b_row : 1, transpose_b ? 1 : b_row};
  if (transpose_a) return all_rows<T>[std::size_t(n - 1)](m, k, right, a, a_row, add, {c, 1, c_row});
  if (transpose_b) return all_columns<T>[std::size_t(n - 1)](m, k, a, a_row, b, b_row, add, {c, c_row, 1});
  std::vector<T> turned(std::size_t(n * k));
  for (Index j = 0; j < n; ++j)
    for (Index p = 0; p < k; ++p) turned[std::size_t(j * k + p)] = b[p * b_row + j];
  all_columns<T>[std::size_t(n - 1)](m, k, a, a_row, turned.data(), k, add, {c, c_row, 1});
}

template bool thin_product_suits<float>(bool, bool, Index, Index, Index);
template bool thin_product_suits<double>(bool, bool, Index, Index, Index);
template void thin_product(bool, bool, Index, Index, Index, const float*, Index, const float*, Index, bool, float*,
                           Index);
template void thin_product(bool, bool, Index, Index, Index, const double*, Index, const double*, Index, bool, double*,
                           Index);

}  // namespace gradus::kernels
