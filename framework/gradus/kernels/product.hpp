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

/// What is added to a product: (m, n), its rows `row` apart; 0 adds the same row to all. Nothing, without data.
template <class T>
struct Addend {
  const T* data = nullptr;
  Index row = 0;
};

/// c = op(a) op(b) + addend, on the calling thread. op(a) is (m, k), op(b) is (k, n), c is (m, n); a_row, b_row and c_row
/// are the distances between rows in memory. The addend is c itself, with its rows, or overlaps nothing. T is float or
/// double; no size is 0. The order in which an element's k products are added depends on k alone; what is added to them
/// comes last to the sum over the first of them, of at most 256.
template <class T>
void product(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, Index a_row, const T* b,
             Index b_row, Addend<T> addend, T* c, Index c_row);

}  // namespace gradus::kernels
