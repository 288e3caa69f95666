#pragma once
// Small dense matrices of the theory: plain numbers, row by row.
#include <vector>

#include "gradus/core/shape.hpp"

namespace gradus::theory {

struct Matrix {
  Index rows = 0;
  Index cols = 0;
  std::vector<double> data;  ///< rows x cols, row by row

  double operator()(Index row, Index col) const { return data[std::size_t(row * cols + col)]; }
  double& operator()(Index row, Index col) { return data[std::size_t(row * cols + col)]; }
};

/// Throws, naming the operation, unless data has rows x cols finite numbers and neither is negative.
void check_matrix(const char* operation, const Matrix& matrix);

/// X with A X = B for a symmetric positive definite A (only its lower triangle is read), by Cholesky's factors A = L
/// L^T. A: (n, n), B: (n, m) -> (n, m). Throws when the sizes do not fit, and when A is not positive definite to
/// working precision, naming the pivot.
Matrix cholesky_solve(const Matrix& a, const Matrix& b);

/// The prediction of kernel ridge regression, test (train + ridge I)^-1 targets: the mean of a Gaussian process given
/// noisy targets; with ridge 0 the interpolant of least norm, which is where gradient descent takes an infinitely wide
/// net that starts at 0 (Jacot et al. 2018). train: (n, n), test: (m, n), targets: (n, k) -> (m, k). Throws as
/// cholesky_solve does, and for a negative ridge.
Matrix kernel_regression(const Matrix& train, const Matrix& test, const Matrix& targets, double ridge = 0);

/// The singular values of a matrix, falling, all min(rows, cols) of them, by one-sided Jacobi rotations until all
/// columns are orthogonal to working precision (Hestenes 1958): every one to a few units of the last place of the
/// largest.
std::vector<double> singular_values(const Matrix& matrix);

struct PowerIterationOptions {
  int max_iterations = 10'000;
  double tolerance = 1e-14;  ///< ends when an iteration changes the norm by less, relatively
};

/// The largest singular value by power iteration on W^T W from a fixed start. It grows towards the norm, so where the
/// two largest singular values are close it ends a little below: not for certificates, which use singular_values. 0 for
/// an empty matrix.
double spectral_norm(const Matrix& matrix, const PowerIterationOptions& options = {});

}  // namespace gradus::theory
