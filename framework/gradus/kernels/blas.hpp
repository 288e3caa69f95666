#pragma once
// Matrix products, by BLAS, or, unless the environment has GRADUS_PRODUCT=0, by our own kernels where vectors have 512
// bits (kernels/product.hpp) or one side of the result is short (kernels/thin_product.hpp). T is float or double; all
// matrices row-major and contiguous.
#include <string>

#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// c = op(a) op(b) + beta c, with op the transpose where asked. op(a) is (m, k), op(b) is (k, n), c is (m, n). Sizes of
/// 0 are fine: k = 0 gives beta c. With beta = 0, c need not be initialised. Throws when a size is beyond BLAS's 32-bit
/// integers.
template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, T beta, T* c);

/// c = op(a) op(b), and `row`, n numbers, added to each of its rows. c need not be initialised.
template <class T>
void gemm_with_row(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, const T* row,
                   T* c);

/// As gemm, for parts of larger matrices, with the distance from one row to the next of each as it lies in memory; and
/// for parts of larger work: on the calling thread.
template <class T>
void gemm_part(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, Index a_row, const T* b,
               Index b_row, T beta, T* c, Index c_row);

/// `batch` products, one after another in memory; a stride of 0 uses the same matrix in each. Small products
/// are shared out among the threads whole, large ones tile by tile.
template <class T>
void gemm_batched(bool transpose_a, bool transpose_b, Index batch, Index m, Index n, Index k, const T* a,
                  Index a_stride, const T* b, Index b_stride, T* c);

/// The name and version of the BLAS in use, e.g. "OpenBLAS 0.3.21 (OpenMP), Zen kernels".
std::string blas_description();

}  // namespace gradus::kernels
