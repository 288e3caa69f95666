#pragma once
// A matrix product of our own, for machines with vectors of 512 bits; kernels/blas.hpp decides where it is used.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// Whether `product` is there and worth its while for these sizes: not for products of a matrix with a few vectors,
/// whose time goes into putting the matrix in order.
bool product_suits(Index m, Index n);

/// Whether `gemm` uses `product`, or `thin_product`, where it suits: unless the environment has GRADUS_PRODUCT=0, which
/// is read once.
bool product_enabled();

/// c = op(a) op(b), or c += op(a) op(b) with `add`, on the calling thread. op(a) is (m, k), op(b) is (k, n), c is (m,
/// n); a_row, b_row and c_row are the distances between rows in memory. T is float or double; no size is 0. The order
/// in which an element's k products are added depends on k alone.
template <class T>
void product(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, Index a_row, const T* b,
             Index b_row, bool add, T* c, Index c_row);

}  // namespace gradus::kernels
