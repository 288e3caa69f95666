#include "gradus/theory/residual.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "gradus/activations/registry.hpp"
#include "gradus/theory/moments.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;

TEST_CASE("stacks of residual blocks: relu, whose moments scale, in closed form") {
  const auto relu = activations::activation("relu");
  const ResidualStack stack = residual_stack(relu, 50, {.second = 0.02});
  REQUIRE(stack.variance.size() == 51);
  CHECK(stack.variance[50] == doctest::Approx(std::pow(1.01, 50)).epsilon(1e-12));
  CHECK(stack.gain == doctest::Approx(1.64463).epsilon(1e-5));
  CHECK(stack.gain == doctest::Approx(std::pow(1.01, 50)).epsilon(1e-12));
  CHECK(residual_stack(relu, 0).gain == 1);
  CHECK(residual_stack(relu, 0).variance == std::vector<double>{1});
}

TEST_CASE("stacks of residual blocks: gelu, block by block") {
  const auto gelu = activations::activation("gelu");
  const ResidualOptions options{.first = 2, .second = 0.5, .variance = 0.7, .width = 16};
  const ResidualStack stack = residual_stack(gelu, 2, options);
  const double q1 = 0.7 + gaussian_moments("gelu", {.variance = 0.7}).second;
  CHECK(stack.variance[1] == doctest::Approx(q1).epsilon(1e-12));
  ResidualOptions second = options;
  second.variance = q1;
  CHECK(stack.gain == doctest::Approx(residual_gain(gelu, options) * residual_gain(gelu, second)).epsilon(1e-12));
  CHECK(thrown([&] { residual_stack(gelu, -1); }).find("must not be negative") != std::string::npos);
}

TEST_CASE("pre-norm blocks: relu in closed form, elu block by block") {
  const ResidualStack relu = pre_norm_stack(activations::activation("relu"), 60);
  CHECK(relu.variance.back() == doctest::Approx(31).epsilon(1e-12));
  CHECK(relu.gain == doctest::Approx(31).epsilon(1e-12));

  const Moments m = gaussian_moments("elu", {.variance = 2});
  const ResidualStack elu = pre_norm_stack(activations::activation("elu"), 2, {.first = 2, .second = 0.5, .variance = 3});
  const double v0 = 1.5, v1 = v0 + 0.5 * m.second;
  CHECK(elu.variance[1] == doctest::Approx(2 * v1).epsilon(1e-12));
  CHECK(elu.gain == doctest::Approx((1 + m.slope_second / v0) * (1 + m.slope_second / v1)).epsilon(1e-12));
  CHECK(pre_norm_stack(activations::activation("gelu"), 0).gain == 1);
}

TEST_CASE("pre-norm blocks: misuse") {
  const auto gelu = activations::activation("gelu");
  CHECK(thrown([&] { pre_norm_stack(gelu, -1); }).find("must not be negative") != std::string::npos);
  CHECK(thrown([&] { pre_norm_stack(gelu, 1, {.width = 8}); }).find("for infinite") != std::string::npos);
  CHECK(thrown([&] { residual_stack(gelu, 0, {.variance = -1}); }).find("-1") != std::string::npos);
  CHECK(thrown([&] { pre_norm_stack(gelu, 1, {.variance = INFINITY}); }).find("inf") != std::string::npos);
  CHECK(thrown([&] { pre_norm_stack(gelu, 1, {.first = 0}); }).find("must be positive") != std::string::npos);
}

TEST_CASE("the mean of log|1 + lambda| over a circle inside the unit disk is 0") {
  for (const double radius : {0.3, 0.9}) {
    double sum = 0;
    const int points = 1000;
    for (int k = 0; k < points; ++k) sum += std::log(std::abs(1.0 + std::polar(radius, 2 * std::numbers::pi * k / points)));
    CHECK(std::abs(sum / points) < 1e-12);
  }
  CHECK(residual_geometric_gain(activations::activation("gelu")) == 1);
  CHECK(thrown([] { residual_geometric_gain(activations::activation("selu")); }).find("must not exceed 1") != std::string::npos);
}
