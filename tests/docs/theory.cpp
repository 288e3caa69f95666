// The program of docs/theory.md, compiled and checked.
#include <doctest/doctest.h>

#include "gradus/gradus.hpp"

using namespace gradus;

TEST_CASE("the first lines of the theory's page") {
  const auto gelu = activations::activation("gelu");
  const theory::Moments m = theory::gaussian_moments(gelu, {.variance = 1});         // m.second = 0.4252...
  const theory::LayerVariances he{.weight_variance = 2};                             // no bias
  const double faded = theory::variance_trajectory(gelu, 1, 20, he).back();          // 3.2e-5 after 20 layers
  const auto layer = theory::with_preserving_bias(gelu, 2);                          // V(1) = 1 by a bias
  const double slope = theory::variance_slope(gelu, 1, layer);                       // 0.973: stable
  const auto kernels = theory::neural_kernels(gelu, {.xx = 1, .yy = 1, .xy = 0.5});  // .nngp 0.2273, .ntk 0.3984
  const double steepest = theory::lipschitz_constant(gelu).value;                    // 1.1289, at sqrt 2
  CHECK(m.second == doctest::Approx(0.42522).epsilon(1e-5));
  CHECK(faded == doctest::Approx(3.2e-5).epsilon(0.02));
  CHECK(slope == doctest::Approx(0.973).epsilon(1e-3));
  CHECK(kernels.nngp == doctest::Approx(0.2273).epsilon(1e-4));
  CHECK(kernels.ntk == doctest::Approx(0.3984).epsilon(1e-4));
  CHECK(steepest == doctest::Approx(1.1289).epsilon(1e-4));
}
