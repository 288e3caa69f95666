#pragma once
// Products of matrices that are parts of larger ones.
#include <cmath>
#include <vector>

#include "gradus/core/shape.hpp"

namespace gradus::testing {

/// The largest error of product(a, a_row, b, b_row, c, c_row), which is to make c = op(a) op(b) + beta c: op(a) is (m,
/// k), op(b) is (k, n). With beta = 0 c is NaN before. Infinite when an element around c has changed.
template <class T, class Product>
double error_of_part(bool ta, bool tb, Index m, Index n, Index k, T beta, Product&& product) {
  const Index a_row = (ta ? m : k) + 3, b_row = (tb ? k : n) + 1, c_row = n + 2;
  std::vector<T> a(std::size_t((ta ? k : m) * a_row)), b(std::size_t((tb ? n : k) * b_row)), c(std::size_t(m * c_row));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = T(std::sin(1 + 0.7 * double(i)));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = T(std::cos(2 + 0.3 * double(i)));
  for (std::size_t i = 0; i < c.size(); ++i)
    c[i] = beta == 0 && Index(i) % c_row < n ? T(NAN) : T(std::sin(3 + 0.9 * double(i)));
  const std::vector<T> before = c;
  product(a.data(), a_row, b.data(), b_row, c.data(), c_row);
  double error = 0;
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < c_row; ++j) {
      const std::size_t at = std::size_t(i * c_row + j);
      if (j >= n) {
        if (c[at] != before[at]) return INFINITY;
        continue;
      }
      double total = beta == 0 ? 0 : double(beta) * double(before[at]);
      for (Index p = 0; p < k; ++p)
        total += double(a[std::size_t(ta ? p * a_row + i : i * a_row + p)]) *
                 double(b[std::size_t(tb ? j * b_row + p : p * b_row + j)]);
      const double difference = std::abs(double(c[at]) - total);
      error = difference <= error ? error : difference;  // a NaN stays
    }
  return error;
}

}  // namespace gradus::testing
