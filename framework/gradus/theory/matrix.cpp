#include "gradus/theory/matrix.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "gradus/core/format.hpp"

namespace gradus::theory {
namespace {

Matrix transposed(const Matrix& m) {
  Matrix t{m.cols, m.rows, std::vector<double>(m.data.size())};
  for (Index i = 0; i < m.rows; ++i)
    for (Index j = 0; j < m.cols; ++j) t(j, i) = m(i, j);
  return t;
}

double dot(const double* x, const double* y, Index n) { return std::inner_product(x, x + n, y, 0.0); }

// Makes the rows p and q of m orthogonal by a rotation; false when they were already.
bool rotate(Matrix& m, Index p, Index q) {
  double *x = &m.data[std::size_t(p * m.cols)], *y = &m.data[std::size_t(q * m.cols)];
  const double xx = dot(x, x, m.cols), yy = dot(y, y, m.cols), xy = dot(x, y, m.cols);
  if (std::abs(xy) <= 1e-16 * std::sqrt(xx) * std::sqrt(yy) || xy == 0) return false;
  const double ratio = (yy - xx) / (2 * xy);
  const double tangent = std::copysign(1 / (std::abs(ratio) + std::hypot(1, ratio)), ratio);
  const double cosine = 1 / std::hypot(1, tangent), sine = cosine * tangent;
  for (Index j = 0; j < m.cols; ++j) {
    const double a = x[j], b = y[j];
    x[j] = cosine * a - sine * b;
    y[j] = sine * a + cosine * b;
  }
  return true;
}

}  // namespace

void check_matrix(const char* operation, const Matrix& m) {
  if (m.rows < 0 || m.cols < 0 || Index(m.data.size()) != m.rows * m.cols)
    failf(operation, "a matrix of {} rows and {} columns with {} numbers", m.rows, m.cols, m.data.size());
  for (std::size_t i = 0; i < m.data.size(); ++i)
    if (!std::isfinite(m.data[i]))
      failf(operation, "entry ({}, {}) of the matrix is {}", Index(i) / m.cols, Index(i) % m.cols, m.data[i]);
}

Matrix cholesky_solve(const Matrix& a, const Matrix& b) {
  check_matrix("cholesky_solve", a);
  check_matrix("cholesky_solve", b);
  if (a.rows != a.cols || a.rows != b.rows)
    failf("cholesky_solve", "A is ({}, {}) and B ({}, {}); A must be square, with as many rows as B", a.rows, a.cols,
          b.rows, b.cols);
  const Index n = a.rows;
  Matrix l = a, x = b;
  for (Index j = 0; j < n; ++j) {
    const double pivot = a(j, j) - dot(&l(j, 0), &l(j, 0), j);
    if (!(pivot > 1e-16 * a(j, j)))
      failf("cholesky_solve", "the matrix is not positive definite: pivot {} is {}; a ridge on the diagonal helps", j,
            pivot);
    l(j, j) = std::sqrt(pivot);
    for (Index i = j + 1; i < n; ++i) l(i, j) = (a(i, j) - dot(&l(i, 0), &l(j, 0), j)) / l(j, j);
  }
  for (Index k = 0; k < b.cols; ++k) {
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < i; ++j) x(i, k) -= l(i, j) * x(j, k);
      x(i, k) /= l(i, i);
    }
    for (Index i = n - 1; i >= 0; --i) {
      for (Index j = i + 1; j < n; ++j) x(i, k) -= l(j, i) * x(j, k);
      x(i, k) /= l(i, i);
    }
  }
  return x;
}

Matrix kernel_regression(const Matrix& train, const Matrix& test, const Matrix& targets, double ridge) {
  check_matrix("kernel_regression", test);
  if (!(ridge >= 0)) failf("kernel_regression", "a ridge of {}; it must not be negative", ridge);
  if (train.rows != train.cols || test.cols != train.rows || targets.rows != train.rows)
    failf("kernel_regression", "kernels ({}, {}) and ({}, {}), targets ({}, {}); needed are (n, n), (m, n) and (n, k)",
          train.rows, train.cols, test.rows, test.cols, targets.rows, targets.cols);
  check_matrix("kernel_regression", train);
  Matrix ridged = train;
  for (Index i = 0; i < train.rows; ++i) ridged(i, i) += ridge;
  const Matrix weights = cholesky_solve(ridged, targets);
  Matrix prediction{test.rows, targets.cols, std::vector<double>(std::size_t(test.rows * targets.cols))};
  for (Index i = 0; i < test.rows; ++i)
    for (Index k = 0; k < targets.cols; ++k)
      for (Index j = 0; j < test.cols; ++j) prediction(i, k) += test(i, j) * weights(j, k);
  return prediction;
}

std::vector<double> singular_values(const Matrix& matrix) {
  check_matrix("singular_values", matrix);
  Matrix m = matrix.rows <= matrix.cols ? matrix : transposed(matrix);
  // By its largest entry, so that no square over- or underflows.
  double largest = 0;
  for (const double x : m.data) largest = std::max(largest, std::abs(x));
  if (largest > 0)
    for (double& x : m.data) x /= largest;
  bool rotated = largest > 0;
  for (int sweep = 0; rotated && sweep < 60; ++sweep) {
    rotated = false;
    for (Index p = 0; p < m.rows; ++p)
      for (Index q = p + 1; q < m.rows; ++q) rotated |= rotate(m, p, q);
  }
  std::vector<double> values;
  for (Index p = 0; p < m.rows; ++p) {
    const double* row = m.data.data() + p * m.cols;
    values.push_back(largest * std::sqrt(dot(row, row, m.cols)));
  }
  std::sort(values.begin(), values.end(), std::greater<>());
  return values;
}

double spectral_norm(const Matrix& matrix, const PowerIterationOptions& options) {
  check_matrix("spectral_norm", matrix);
  if (options.max_iterations < 1) failf("spectral_norm", "{} iterations; at least 1 is needed", options.max_iterations);
  std::vector<double> v(static_cast<std::size_t>(matrix.cols)), u(static_cast<std::size_t>(matrix.rows));
  // No direction of a matrix met in practice is orthogonal to this one.
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = 1 + 0.5 * std::sin(double(i + 1) * (double(i) + 1.7));
  double norm = 0;
  for (int iteration = 0; iteration < options.max_iterations; ++iteration) {
    const double length = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
    if (length == 0) return 0;
    for (double& x : v) x /= length;
    for (Index i = 0; i < matrix.rows; ++i)
      u[std::size_t(i)] = dot(matrix.data.data() + i * matrix.cols, v.data(), matrix.cols);
    const double before = norm;
    norm = std::sqrt(std::inner_product(u.begin(), u.end(), u.begin(), 0.0));
    if (std::abs(norm - before) <= options.tolerance * norm) break;
    std::fill(v.begin(), v.end(), 0.0);
    for (Index i = 0; i < matrix.rows; ++i)
      for (Index j = 0; j < matrix.cols; ++j) v[std::size_t(j)] += u[std::size_t(i)] * matrix(i, j);
  }
  return norm;
}

}  // namespace gradus::theory
