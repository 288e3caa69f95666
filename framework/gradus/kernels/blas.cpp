#include "gradus/kernels/blas.hpp"

#include <cblas.h>

#include <algorithm>
#include <limits>

#include "gradus/core/format.hpp"
#include "gradus/core/parallel.hpp"

#ifdef OPENBLAS_VERSION
#define GRADUS_OPENBLAS 1
#endif

namespace gradus::kernels {
namespace {

int blas_size(Index size) {
  if (size > std::numeric_limits<int>::max()) failf("gemm", "size {} is beyond BLAS's 32-bit integers", size);
  return static_cast<int>(size);
}

void share_threads() {
#ifdef GRADUS_OPENBLAS
  // OpenBLAS's OpenMP build follows OpenMP; the others keep a count of their own.
  if (openblas_get_parallel() != OPENBLAS_OPENMP && openblas_get_num_threads() != num_threads())
    openblas_set_num_threads(num_threads());
#endif
}

void call(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const float* a, int lda, const float* b, int ldb,
          float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1.0F, a, lda, b, ldb, beta, c, ldc);
}
void call(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const double* a, int lda, const double* b, int ldb,
          double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
}

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, Index a_row, const T* b, Index b_row,
          T beta, T* c, Index c_row) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j) c[i * c_row + j] = beta == T(0) ? T(0) : beta * c[i * c_row + j];
    return;
  }
  share_threads();
  call(transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, blas_size(m), blas_size(n),
       blas_size(k), a, blas_size(a_row), b, blas_size(b_row), beta, c, blas_size(c_row));
}

template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, T beta, T* c) {
  gemm(transpose_a, transpose_b, m, n, k, a, transpose_a ? m : k, b, transpose_b ? k : n, beta, c, n);
}

template <class T>
void gemm_batched(bool transpose_a, bool transpose_b, Index batch, Index m, Index n, Index k, const T* a, Index a_stride,
                  const T* b, Index b_stride, T* c) {
  // Below about 2^22 multiplications a product is done before BLAS's threads have started.
  const bool small = double(m) * double(n) * double(k) < double(1 << 22);
  const Index grain = small ? std::max<Index>(1, Index(double(1 << 18) / std::max(1.0, double(m) * double(n) * double(k)))) : batch;
  parallel_for(batch, grain, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i)
      gemm(transpose_a, transpose_b, m, n, k, a + i * a_stride, b + i * b_stride, T(0), c + i * m * n);
  });
}

std::string blas_description() {
#ifdef GRADUS_OPENBLAS
  const char* threading = openblas_get_parallel() == OPENBLAS_OPENMP   ? "OpenMP"
                          : openblas_get_parallel() == OPENBLAS_THREAD ? "pthreads"
                                                                       : "sequential";
  return fmt::format("{} ({}), {} kernels", OPENBLAS_VERSION, threading, openblas_get_corename());
#else
  return GRADUS_BLAS_NAME;
#endif
}

#define GRADUS_INSTANTIATE(T)                                                                            \
  template void gemm(bool, bool, Index, Index, Index, const T*, const T*, T, T*);                        \
  template void gemm(bool, bool, Index, Index, Index, const T*, Index, const T*, Index, T, T*, Index);   \
  template void gemm_batched(bool, bool, Index, Index, Index, Index, const T*, Index, const T*, Index, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
