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

TEST_CASE("the identity path under sums N(0, 1): the numbers of the chapter on ELU") {
  const auto elu = activations::activation("elu"), relu = activations::activation("relu");
  CHECK(identity_path_gain(elu, 10) == doctest::Approx(0.13311).epsilon(1e-4));
  CHECK(identity_path_gain(elu, 50) == doctest::Approx(4.179e-5).epsilon(2e-4));
  CHECK(identity_path_gain(elu, 100) == doctest::Approx(1.746e-9).epsilon(5e-4));
  CHECK(identity_path_gain(relu, 10) == doctest::Approx(0.03125).epsilon(1e-13));
  CHECK(identity_path_gain(relu, 50) == doctest::Approx(std::exp2(-25)).epsilon(1e-12));
  CHECK(identity_path_gain(activations::activation("identity"), 100) == 1);
  CHECK(identity_path_gain(elu, 0) == 1);
  // All sums are positive.
  CHECK(identity_path_gain(relu, 50, {.mean = 30}) == doctest::Approx(1).epsilon(1e-12));
  // E f'^2 of ELU: 1/2 + e^2 Phi(-2).
  CHECK(identity_path_gain(elu, 2) == doctest::Approx(0.5 + std::exp(2) * 0.5 * std::erfc(std::numbers::sqrt2)).epsilon(1e-13));
  CHECK(thrown([&] { identity_path_gain(elu, -1); }).find("must not be negative") != std::string::npos);
}

TEST_CASE("sums that drift: relu is a random walk pushed back to 0") {
  const PostActivationStream walk = post_activation_stream(activations::activation("relu"), 54);
  REQUIRE(walk.mean.size() == 55);
  REQUIRE(walk.negative.size() == 54);
  const auto u = [](int k) {
    double value = 1;
    for (int i = 1; i <= k; ++i) value *= (i - 0.5) / i;
    return value;
  };
  for (const int k : {0, 1, 2, 9, 27, 54}) {
    CAPTURE(k);
    CHECK(walk.identity_gain[std::size_t(k)] == doctest::Approx(k == 0 ? 1 : u(k) / 2 + u(k + 1)).epsilon(1e-12));
    // E x_k is the sum of E max(0, b_1 + ... + b_i) / i (Spitzer 1956), here with k + 1 steps.
    double mean = 0;
    for (int i = 1; i <= k + 1; ++i) mean += std::sqrt(i / (2 * std::numbers::pi)) / i;
    CHECK(walk.mean[std::size_t(k)] == doctest::Approx(mean).epsilon(1e-12));
  }
}

TEST_CASE("sums that drift: identity, tanh and elu") {
  const PostActivationStream linear = post_activation_stream(activations::activation("identity"), 12);
  CHECK(linear.second[12] == doctest::Approx(13).epsilon(1e-12));
  CHECK(linear.identity_gain[12] == doctest::Approx(1).epsilon(1e-12));
  CHECK(linear.negative[11] == doctest::Approx(0.5).epsilon(1e-12));
  for (const char* name : {"elu", "hard_swish"}) {
    CAPTURE(std::string(name));
    const auto f = activations::activation(name);
    const PostActivationStream stream = post_activation_stream(f, 3);
    CHECK(stream.mean[0] == doctest::Approx(gaussian_moments(f).mean).epsilon(1e-12));
    CHECK(stream.second[0] == doctest::Approx(gaussian_moments(f).second).epsilon(1e-12));
    // The first block: an integral over the start of an integral over the sum.
    const double gain =
        gaussian_expectation([&](double b) { return gaussian_moments(f, {.mean = f(b)}).slope_second; }, {}, f.traits().kinks);
    CHECK(stream.identity_gain[1] == doctest::Approx(gain).epsilon(1e-11));
  }
}

TEST_CASE("sums that drift: misuse") {
  const auto elu = activations::activation("elu"), selu = activations::activation("selu");
  CHECK(thrown([&] { post_activation_stream(elu, -1); }).find("must not be negative") != std::string::npos);
  CHECK(thrown([&] { post_activation_stream(selu, 150); }).find("faster than a random walk") != std::string::npos);
}
