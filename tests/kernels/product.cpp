#include "gradus/kernels/product.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/part_product.hpp"

using namespace gradus;

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
          const auto product = [&](const T* a, Index a_row, const T* b, Index b_row, T* c, Index c_row) {
            kernels::product(ta, tb, s.m, s.n, s.k, a, a_row, b, b_row,
                             add ? kernels::Addend<T>{c, c_row} : kernels::Addend<T>{}, c, c_row);
          };
          const double error = testing::error_of_part<T>(ta, tb, s.m, s.n, s.k, add ? 1 : 0, product);
          CHECK(error < (sizeof(T) == 4 ? 5e-6 : 1e-14) * std::sqrt(double(s.k)));
        }
}
