#include "gradus/theory/layer_norm.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "gradus/activations/registry.hpp"
#include "gradus/theory/gaussian.hpp"
#include "thrown.hpp"

using namespace gradus;
using theory::layer_norm_moments;

TEST_CASE("the chance that a layer is constant is that of its activation's flat parts") {
  CHECK(layer_norm_moments(activations::activation("relu"), 3).constant == doctest::Approx(1.0 / 8).epsilon(1e-13));
  CHECK(layer_norm_moments(activations::activation("relu"), 3, 7.0).constant == doctest::Approx(1.0 / 8).epsilon(1e-13));
  const double inside = 1 - 2 * theory::normal_cdf(-0.5 / 2);  // softshrink is 0 on (-0.5, 0.5)
  CHECK(layer_norm_moments(activations::activation("softshrink"), 5, 4.0).constant == doctest::Approx(std::pow(inside, 5)).epsilon(1e-13));
  CHECK(layer_norm_moments(activations::activation("hard_swish"), 2).constant ==
        doctest::Approx(std::pow(theory::normal_cdf(-3), 2)).epsilon(1e-12));
  for (const char* smooth : {"gelu", "elu", "tanh", "silu", "identity"})
    CHECK(layer_norm_moments(activations::activation(smooth), 2).constant == 0);
}

TEST_CASE("moments after layer normalisation agree with draws") {
  const Index n = 4;
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  for (const char* name : {"relu", "gelu"}) {
    const auto f = activations::activation(name);
    const theory::LayerNormMoments expected = layer_norm_moments(f, n);
    const int draws = 200'000;
    double mean = 0, second = 0, product = 0;
    for (int draw = 0; draw < draws; ++draw) {
      double x[n], sum = 0, squares = 0;
      for (double& unit : x) sum += unit = f(normal(random));
      for (double& unit : x) unit -= sum / n, squares += unit * unit;
      const double scale = squares > 0 ? std::sqrt(n / squares) : 0;
      mean += x[0] * scale, second += x[0] * scale * x[0] * scale, product += x[0] * scale * x[1] * scale;
    }
    CAPTURE(name);
    CHECK(std::abs(mean / draws - expected.mean) < 0.01);  // a standard error is below 0.0023
    CHECK(std::abs(second / draws - expected.second) < 0.01);
    CHECK(std::abs(product / draws - expected.product) < 0.01);
  }
}

TEST_CASE("layer_norm_moments refuses a single unit and a variance that is none") {
  CHECK(thrown([] { layer_norm_moments(activations::activation("gelu"), 1); }).find("1 units; there must be at least 2") !=
        std::string::npos);
  CHECK(thrown([] { layer_norm_moments(activations::activation("gelu"), 2, 0.0); }).find("variance must be positive") != std::string::npos);
}
