#pragma once
// Products of a sparse matrix and a dense one. The sparse one, (rows, columns), is in compressed rows: the entries of
// row r are starts[r] to starts[r + 1] - 1, each a column and a value. Dense arrays are row-major and contiguous and do
// not overlap. T is float or double.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// out = A x.   x: (columns, width), out: (rows, width). Each row of out is summed in the order of its entries, by one
/// thread: the number of threads changes nothing.
template <class T>
void spmm(const Index* starts, const Index* columns, const T* values, const T* x, T* out, Index rows, Index width);

/// The transposed matrix: out_starts (columns_count + 1), out_columns and out_values as many as A has entries; entries
/// of a row in the order of A's rows.
template <class T>
void transpose_csr(const Index* starts, const Index* columns, const T* values, Index rows, Index columns_count,
                   Index* out_starts, Index* out_columns, T* out_values);

}  // namespace gradus::kernels
