#include "gradus/kernels/blas.hpp"

#include <cblas.h>
#include <omp.h>

#include <algorithm>
#include <limits>

#include "gradus/core/format.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/kernels/broadcast.hpp"
#include "gradus/kernels/product.hpp"
#include "gradus/kernels/thin_product.hpp"

#ifdef OPENBLAS_VERSION
#define GRADUS_OPENBLAS 1
#endif

namespace gradus::kernels {
namespace {

int blas_size(Index size) {
  if (size > std::numeric_limits<int>::max()) failf("gemm", "size {} is beyond BLAS's 32-bit integers", size);
  return static_cast<int>(size);
}

// BLAS works on the calling thread alone: the threads are gradus's own, which do not wait for each other
// (core/parallel.cpp), and so that the result does not depend on their number.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
#ifdef GRADUS_OPENBLAS
    // Its OpenMP build follows OpenMP; the others keep a count of their own.
    if (openblas_get_parallel() != OPENBLAS_OPENMP && openblas_get_num_threads() != 1) openblas_set_num_threads(1);
#endif
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// How a product is cut into tiles that are products of their own. By its size alone, where BLAS makes it, never by the
// number of threads: the order in which BLAS adds depends on the size of what it is given.
struct Tiles {
  Index rows = 1, columns = 1;

  Tiles() = default;
  Tiles(Index m, Index n, Index k) {
    // Both operands are copied for every tile, which is lost in 2^19 multiplications (3 to 10 us) of a tile that is not
    // too thin. Two tiles keep two cores busy; more are worth their copies in large products only.
    for (;;) {
      const Index tile_m = m / rows, tile_n = n / columns, side = std::max(tile_m, tile_n), count = rows * columns;
      const double work = double(tile_m) * double(tile_n) * double(k);
      const bool first = count == 1 && side >= 64 && work >= double(1 << 20);
      const bool more = side >= 512 && work >= double(1 << 26) && (count < 8 || side > 1024);
      if (!first && !more) return;
      (tile_n >= tile_m ? columns : rows) *= 2;
    }
  }

  // Where tile i of `count` starts: at a multiple of the vectorised blocks inside of BLAS.
  static Index start(Index size, Index count, Index i) {
    constexpr Index step = 32;
    return i == count ? size : std::min(size, (size * i / count + step - 1) / step * step);
  }
};

struct Tile {
  Index top, left, rows, columns;
};

// visit(tile) for the tiles of an (m, n) result, on several threads.
template <class Visit>
void for_each_tile(const Tiles& tiles, Index m, Index n, Visit&& visit) {
  parallel_for(tiles.rows * tiles.columns, 1, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      const Index r = i / tiles.columns, q = i % tiles.columns;
      const Index top = Tiles::start(m, tiles.rows, r), left = Tiles::start(n, tiles.columns, q);
      visit(Tile{top, left, Tiles::start(m, tiles.rows, r + 1) - top, Tiles::start(n, tiles.columns, q + 1) - left});
    }
  });
}

void call(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const float* a, int lda, const float* b, int ldb,
          float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1.0F, a, lda, b, ldb, beta, c, ldc);
}
void call(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const double* a, int lda, const double* b,
          int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
}

// c = op(a) op(b) + addend by our own product, which adds in the same order whatever it is given at a time; a whole copies
// its operands once. No size is 0.
template <class T>
void our_product(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b,
                 Addend<T> addend, T* c) {
  const Index a_row = transpose_a ? m : k, b_row = transpose_b ? k : n;
  for_each_tile(num_threads() == 1 || detail::inside_parallel() ? Tiles() : Tiles(m, n, k), m, n, [&](const Tile& t) {
    if (t.rows == 0 || t.columns == 0) return;
    const Addend<T> part{addend.data == nullptr ? nullptr : addend.data + t.top * addend.row + t.left, addend.row};
    product(transpose_a, transpose_b, t.rows, t.columns, k, a + (transpose_a ? t.top : t.top * a_row), a_row,
            b + (transpose_b ? t.left * b_row : t.left), b_row, part, c + t.top * n + t.left, n);
  });
}

bool is_ours(Index m, Index n, Index k) { return k > 0 && product_enabled() && product_suits(m, n); }

template <class T>
void scale_rows(T beta, T* c, Index c_row, Index m, Index n) {
  if (beta == T(0) || beta == T(1)) return;
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) c[i * c_row + j] *= beta;
}

}  // namespace

template <class T>
void gemm_part(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, Index a_row, const T* b,
               Index b_row, T beta, T* c, Index c_row) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j) c[i * c_row + j] = beta == T(0) ? T(0) : beta * c[i * c_row + j];
    return;
  }
  const int row_a = blas_size(a_row), row_b = blas_size(b_row), row_c = blas_size(c_row), inner = blas_size(k);
  const int rows = blas_size(m), columns = blas_size(n);
  const bool suits = product_suits(m, n);
  if (product_enabled() && (suits || thin_product_suits<T>(transpose_a, transpose_b, m, n, k))) {
    scale_rows(beta, c, c_row, m, n);
    const bool add = beta != T(0);
    if (suits)
      product(transpose_a, transpose_b, m, n, k, a, a_row, b, b_row, add ? Addend<T>{c, c_row} : Addend<T>{}, c, c_row);
    else
      thin_product(transpose_a, transpose_b, m, n, k, a, a_row, b, b_row, add, c, c_row);
    return;
  }
  const OneThread one_thread;
  call(transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, rows, columns, inner, a, row_a,
       b, row_b, beta, c, row_c);
}

template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, T beta, T* c) {
  for (const Index size : {m, n, k}) blas_size(size);
  if (is_ours(m, n, k)) {
    scale_rows(beta, c, n, m, n);
    return our_product(transpose_a, transpose_b, m, n, k, a, b, beta == T(0) ? Addend<T>{} : Addend<T>{c, n}, c);
  }
  const Index a_row = transpose_a ? m : k, b_row = transpose_b ? k : n;
  for_each_tile(Tiles(m, n, k), m, n, [&](const Tile& t) {
    gemm_part(transpose_a, transpose_b, t.rows, t.columns, k, a + (transpose_a ? t.top : t.top * a_row), a_row,
              b + (transpose_b ? t.left * b_row : t.left), b_row, beta, c + t.top * n + t.left, n);
  });
}

template <class T>
void gemm_with_row(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, const T* row,
                   T* c) {
  for (const Index size : {m, n, k}) blas_size(size);
  if (is_ours(m, n, k)) return our_product(transpose_a, transpose_b, m, n, k, a, b, Addend<T>{row, 0}, c);
  // BLAS adds to what is there.
  parallel_for(m, std::max<Index>(1, elementwise_grain / std::max<Index>(n, 1)), [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) std::copy(row, row + n, c + i * n);
  });
  gemm(transpose_a, transpose_b, m, n, k, a, b, T(1), c);
}

template <class T>
void gemm_batched(bool transpose_a, bool transpose_b, Index batch, Index m, Index n, Index k, const T* a,
                  Index a_stride, const T* b, Index b_stride, T* c) {
  // Below about 2^22 multiplications cutting a product into tiles gains less than giving whole products to the threads.
  const bool small = double(m) * double(n) * double(k) < double(1 << 22);
  constexpr Index enough = 4;
  if (!small || batch < enough) {
    for (Index i = 0; i < batch; ++i)
      gemm(transpose_a, transpose_b, m, n, k, a + i * a_stride, b + i * b_stride, T(0), c + i * m * n);
    return;
  }
  const Index grain = std::max<Index>(1, Index(double(1 << 18) / std::max(1.0, double(m) * double(n) * double(k))));
  parallel_for(batch, grain, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i)
      gemm_part(transpose_a, transpose_b, m, n, k, a + i * a_stride, transpose_a ? m : k, b + i * b_stride,
                transpose_b ? k : n, T(0), c + i * m * n, n);
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

#define GRADUS_INSTANTIATE(T)                                                                          \
  template void gemm(bool, bool, Index, Index, Index, const T*, const T*, T, T*);                      \
  template void gemm_with_row(bool, bool, Index, Index, Index, const T*, const T*, const T*, T*);       \
  template void gemm_part(bool, bool, Index, Index, Index, const T*, Index, const T*, Index, T, T*, Index); \
  template void gemm_batched(bool, bool, Index, Index, Index, Index, const T*, Index, const T*, Index, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
