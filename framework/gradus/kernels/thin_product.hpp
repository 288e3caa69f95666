#pragma once
// Products in which one side of the result is short: a layer with few inputs or outputs. Nothing is put in order first,
// which would take longer than the product. T is float or double.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// Whether `thin_product` is made for these sizes and orders, and faster than what puts matrices in order first: up to 4
/// rows or columns, or 8, but not two transposed matrices with few rows, nor short inner products.
template <class T>
bool thin_product_suits(bool transpose_a, bool transpose_b, Index m, Index n, Index k);

/// c = op(a) op(b), or c += op(a) op(b) with `add`, on the calling thread; as `product` has it, for up to 8 rows or
/// columns, and not two transposed matrices with few rows.
template <class T>
void thin_product(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, Index a_row, const T* b,
                  Index b_row, bool add, T* c, Index c_row);

}  // namespace gradus::kernels
