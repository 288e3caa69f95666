#include "gradus/kernels/vector_norm.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "gradus/core/parallel.hpp"

using namespace gradus;

TEST_CASE("power sums agree with their definition, on any number of threads") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const Index n : {0, 1, 2, 15, 17, 4095, 4096, 4097, 200003}) {
    std::vector<double> x(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(1 + 0.9 * double(i)) * 3;
    for (const double p : {1.0, 2.0, 3.5, infinity}) {
      double expected = 0;
      for (const double v : x)
        expected = p == infinity ? std::max(expected, std::abs(v)) : expected + std::pow(std::abs(v), p);
      const int before = num_threads();
      set_num_threads(1);
      const double one = kernels::power_sum(x.data(), p, n);
      set_num_threads(2);
      CHECK(kernels::power_sum(x.data(), p, n) == one);
      set_num_threads(before);
      CHECK(one == doctest::Approx(expected).epsilon(1e-11));
    }
  }
  std::vector<float> odd(5000, 1.0F);
  odd[4500] = std::numeric_limits<float>::quiet_NaN();
  for (const double p : {1.0, 2.0, 3.5, infinity}) CHECK(std::isnan(kernels::power_sum(odd.data(), p, 5000)));
  odd[4500] = std::numeric_limits<float>::infinity();
  for (const double p : {1.0, 2.0, 3.5, infinity}) CHECK(std::isinf(kernels::power_sum(odd.data(), p, 5000)));
}
