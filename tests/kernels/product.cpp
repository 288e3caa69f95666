#include "gradus/kernels/product.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace gradus;

namespace {

// The largest error of a product of matrices that lie in larger ones; infinite when an element around c has changed.
template <class T>
double error_of(bool ta, bool tb, Index m, Index n, Index k, bool add) {
  const Index a_row = (ta ? m : k) + 3, b_row = (tb ? k : n) + 1, c_row = n + 2;
  std::vector<T> a(std::size_t((ta ? k : m) * a_row)), b(std::size_t((tb ? n : k) * b_row)), c(std::size_t(m * c_row));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = T(std::sin(1 + 0.7 * double(i)));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = T(std::cos(2 + 0.3 * double(i)));
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = add || Index(i) % c_row >= n ? T(std::sin(3 + 0.9 * double(i))) : T(NAN);
  const std::vector<T> before = c;
  kernels::product(ta, tb, m, n, k, a.data(), a_row, b.data(), b_row, add, c.data(), c_row);
  double error = 0;
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < c_row; ++j) {
      const std::size_t at = std::size_t(i * c_row + j);
      if (j >= n) {
        if (c[at] != before[at]) return INFINITY;
        continue;
      }
      double total = add ? double(before[at]) : 0;
      for (Index p = 0; p < k; ++p)
        total += double(a[std::size_t(ta ? p * a_row + i : i * a_row + p)]) *
                 double(b[std::size_t(tb ? j * b_row + p : p * b_row + j)]);
      const double difference = std::abs(double(c[at]) - total);
      error = difference <= error ? error : difference;  // a NaN stays
    }
  return error;
}

}  // namespace

// Sizes around those of tiles, panels and blocks.
TEST_CASE_TEMPLATE("product is the sum of products", T, float, double) {
  if (!kernels::product_suits(1000, 1000)) {
    MESSAGE("skipped: there is no such kernel for this machine's vectors");
    return;
  }
  struct Size {
    Index m, n, k;
  };
  std::vector<Size> sizes = {{200, 70, 300}, {85, 513, 257}, {14, 545, 512}, {169, 33, 513}};
  for (const Index m : {1, 2, 7, 13, 14, 15, 29})
    for (const Index n : {1, 8, 15, 16, 17, 31, 32, 33, 65})
      for (const Index k : {1, 15, 17}) sizes.push_back({m, n, k});
  for (const Size s : sizes)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const bool add : {false, true}) {
          CAPTURE(s.m);
          CAPTURE(s.n);
          CAPTURE(s.k);
          CAPTURE(ta);
          CAPTURE(tb);
          const double error = error_of<T>(ta, tb, s.m, s.n, s.k, add);
          CHECK(error < (sizeof(T) == 4 ? 5e-6 : 1e-14) * std::sqrt(double(s.k)));
        }
}
