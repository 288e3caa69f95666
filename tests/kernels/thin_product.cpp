#include "gradus/kernels/thin_product.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/part_product.hpp"

using namespace gradus;

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
            const auto product = [&](const T* a, Index a_row, const T* b, Index b_row, T* c, Index c_row) {
              kernels::thin_product(ta, tb, s.m, s.n, k, a, a_row, b, b_row, add, c, c_row);
            };
            const double error = testing::error_of_part<T>(ta, tb, s.m, s.n, k, add ? 1 : 0, product);
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
