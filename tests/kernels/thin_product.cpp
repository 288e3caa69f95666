#include "gradus/kernels/thin_product.hpp"

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
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = add || Index(i) % c_row >= n ? T(std::sin(double(i))) : T(NAN);
  const std::vector<T> before = c;
  kernels::thin_product(ta, tb, m, n, k, a.data(), a_row, b.data(), b_row, add, c.data(), c_row);
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

TEST_CASE_TEMPLATE("a thin product is the sum of products", T, float, double) {
  struct Size {
    Index m, n;
  };
  std::vector<Size> sizes;
  for (const Index few : {1, 2, 3, 5, 7, 8})
    for (const Index many : {1, 8, 15, 16, 17, 31, 32, 33, 65}) {
      sizes.push_back({few, many});
      sizes.push_back({many, few});
    }
  int tried = 0;
  for (const Size s : sizes)
    for (const Index k : {1, 2, 15, 17, 256, 257, 4100})
      for (const bool ta : {false, true})
        for (const bool tb : {false, true})
          for (const bool add : {false, true}) {
            if (ta && tb && s.n > 8) continue;
            ++tried;
            CAPTURE(s.m);
            CAPTURE(s.n);
            CAPTURE(k);
            CAPTURE(ta);
            CAPTURE(tb);
            const double error = error_of<T>(ta, tb, s.m, s.n, k, add);
            CHECK(error < (sizeof(T) == 4 ? 5e-6 : 1e-14) * std::sqrt(double(k)));
          }
  CHECK(tried > 4000);
}

TEST_CASE("thin products are those with up to 8 rows or columns, but for two transposed matrices of few rows") {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      CHECK(kernels::thin_product_suits<float>(ta, tb, 1000, 4, 1000));
      CHECK(kernels::thin_product_suits<float>(ta, tb, 4, 1000, 1000) == !(ta && tb));
      CHECK(kernels::thin_product_suits<float>(ta, tb, 1000, 8, 1000) == ta);
      CHECK(!kernels::thin_product_suits<float>(ta, tb, 9, 9, 1000));
    }
  CHECK(!kernels::thin_product_suits<float>(false, true, 1000, 1, 4));
}

TEST_CASE("a NaN or an infinity in the right place reaches the sum") {
  const std::vector<float> a = {0, 1}, b = {INFINITY, 2};
  float c = 0;
  kernels::thin_product(false, true, 1, 1, 2, a.data(), 2, b.data(), 2, false, &c, 1);
  CHECK(std::isnan(c));
}
