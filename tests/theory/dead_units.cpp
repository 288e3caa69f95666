#include "gradus/theory/dead_units.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <random>

#include "gradus/activations/make_function.hpp"
#include "gradus/activations/registry.hpp"
#include "gradus/theory/gaussian.hpp"
#include "gradus/theory/readout.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;

namespace {

activations::Function function(std::string_view name) { return activations::activation(name); }

struct Square {
  template <class V> V f(const V& x) const { return x * x; }
  template <class V> V df(const V& x) const { return V(2) * x; }
};

// Rises, falls and rises again.
struct Cubic {
  template <class V> V f(const V& x) const { return x * (x * x - V(1)); }
  template <class V> V df(const V& x) const { return V(3) * x * x - V(1); }
};

}  // namespace

TEST_CASE("dead samples and dead units") {
  const auto relu = function("relu");
  CHECK(dead_probability(relu) == doctest::Approx(0.5));
  CHECK(dead_probability(relu, {.mean = -1}) == doctest::Approx(0.841345).epsilon(1e-6));
  CHECK(dead_probability(relu, {.mean = -2}) == doctest::Approx(0.977250).epsilon(1e-6));
  CHECK(dead_probability(relu, {.mean = -3}) == doctest::Approx(0.998650).epsilon(1e-6));
  CHECK(dead_probability(relu, {.mean = 8}) == doctest::Approx(normal_cdf(-8)).epsilon(1e-14));
  CHECK(dead_unit_probability(relu, 100, {.mean = -2}) == doctest::Approx(0.1001).epsilon(5e-4));
  for (const char* never : {"elu", "mish", "gelu", "gelu_tanh", "silu", "softplus", "tanh", "softsign", "selu", "celu",
                            "leaky_relu", "prelu", "sigmoid", "identity"}) {
    CAPTURE(std::string(never));
    CHECK(dead_probability(function(never), {.mean = -3}) == 0);
    CHECK(flat_intervals(function(never)).empty());
  }
  CHECK(dead_probability(function("hard_swish")) == doctest::Approx(normal_cdf(-3)).epsilon(1e-14));
  CHECK(dead_probability(function("softshrink"), {.mean = 0.1, .variance = 4}) ==
        doctest::Approx(normal_cdf(0.2) - normal_cdf(-0.3)).epsilon(1e-14));
  CHECK(dead_probability(function("leaky_relu(0)")) == doctest::Approx(0.5));
  REQUIRE(flat_intervals(relu).size() == 1);
  CHECK(flat_intervals(relu)[0].high == 0);
  CHECK(std::isinf(flat_intervals(relu)[0].low));
  check_contains(thrown([&] { (void)dead_unit_probability(relu, 0); }), {"dead_unit_probability", "0"});
  check_contains(thrown([&] { (void)dead_probability(relu, {.variance = 0}); }), {"dead_probability"});
}

TEST_CASE("small slopes") {
  // e^x < 0.1 below log 0.1.
  CHECK(small_slope_probability(function("elu"), 0.1, {.mean = -2}) ==
        doctest::Approx(normal_cdf(std::log(0.1) + 2)).epsilon(1e-12));
  CHECK(small_slope_probability(function("elu"), 0.1, {.mean = -2}) == doctest::Approx(0.38).epsilon(0.01));
  CHECK(small_slope_probability(function("relu"), 1e-9, {.mean = -1}) == doctest::Approx(0.841345).epsilon(1e-6));
  const double t = std::atanh(std::sqrt(0.5));  // tanh' = 1/2
  CHECK(small_slope_probability(function("tanh"), 0.5) == doctest::Approx(2 * normal_cdf(-t)).epsilon(1e-12));
  CHECK(small_slope_probability(function("identity"), 0.5) == 0);
  CHECK(small_slope_probability(function("identity"), 1.5) == doctest::Approx(1));
  check_contains(thrown([] { (void)small_slope_probability(function("elu"), 0); }), {"small_slope_probability"});
}

TEST_CASE("where exponentials end") {
  CHECK(exp_vanishes_below<double>() == doctest::Approx(-745.13).epsilon(1e-5));
  CHECK(exp_vanishes_below<float>() == doctest::Approx(-103.97).epsilon(1e-4));
  CHECK(std::exp(exp_vanishes_below<double>() - 0.001) == 0);
  CHECK(std::exp(exp_vanishes_below<double>() + 0.001) > 0);
  CHECK(std::exp(float(exp_vanishes_below<float>()) - 0.001f) == 0);
  CHECK(std::exp(float(exp_vanishes_below<float>()) + 0.001f) > 0);
  CHECK(expm1_saturates_below<double>() == doctest::Approx(-37.43).epsilon(1e-4));
  CHECK(expm1_saturates_below<float>() == doctest::Approx(-17.33).epsilon(1e-4));
  CHECK(std::expm1(expm1_saturates_below<double>() - 0.01) == -1);
  CHECK(std::expm1(expm1_saturates_below<double>() + 0.01) > -1);
}

TEST_CASE("what a readout of f(s) can know of s") {
  const auto relu = function("relu"), elu = function("elu");
  CHECK(threshold_accuracy(relu, -0.6744897501960817) == doctest::Approx(0.75).epsilon(1e-14));
  CHECK(threshold_accuracy(elu, -0.6744897501960817) == 1);
  CHECK(threshold_accuracy(relu, -1) == doctest::Approx(0.8413447).epsilon(1e-7));
  CHECK(threshold_accuracy(elu, -1) == 1);
  CHECK(threshold_accuracy(relu, 0) == 1);
  CHECK(threshold_accuracy(relu, 0.5) == 1);
  CHECK(two_class_accuracy(relu, -1, -3) == doctest::Approx(0.5786527).epsilon(1e-7));
  CHECK(two_class_accuracy(relu, -3, -1) == doctest::Approx(0.5786527).epsilon(1e-7));
  CHECK(two_class_accuracy(elu, -1, -3) == doctest::Approx(0.8413447).epsilon(1e-7));
  CHECK(two_class_accuracy(relu, 20, 22) == doctest::Approx(0.8413447).epsilon(1e-7));
  CHECK(two_class_accuracy(relu, -40, -42) == doctest::Approx(0.5).epsilon(1e-14));
  check_contains(thrown([] { (void)threshold_accuracy(function("gelu"), 0); }),
                 {"threshold_accuracy", "gelu", "monotone"});
  check_contains(thrown([] { (void)two_class_accuracy(function("relu"), 0, std::nan("")); }),
                 {"two_class_accuracy", "nan"});
}

TEST_CASE("what of a number's variance an activation throws away") {
  const double relu = 0.5 * (1 - 2 / std::numbers::pi);
  for (const double q : {0.01, 1.0, 50.0}) CHECK(lost_variance(function("relu"), q) == doctest::Approx(relu).epsilon(1e-12));
  CHECK(lost_variance(function("tanh")) == 0);
  CHECK(lost_variance(function("elu")) == 0);
  // softshrink(2) hides |x| < 2: P Var = Phi(2) - Phi(-2) - 4 phi(2), by parts.
  CHECK(lost_variance(function("softshrink(2)")) ==
        doctest::Approx(std::erf(std::sqrt(2.0)) - 4 * std::exp(-2.0) / std::sqrt(2 * std::numbers::pi)).epsilon(1e-12));
  // Of x^2 the sign is lost, and with it all of the variance.
  CHECK(lost_variance(activations::make_function(Square{}), 3) == doctest::Approx(1).epsilon(1e-9));
  // By the neighbours of sorted values: E (x_i - x_j)^2 / 2 of two inputs of nearly one value.
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  for (const char* name : {"gelu", "silu", "mish", "hard_swish"}) {
    CAPTURE(std::string(name));
    const auto f = function(name);
    const double s = 1.5;
    std::vector<std::pair<double, double>> drawn(400000);
    for (auto& [y, x] : drawn) x = s * normal(random), y = f(x);
    std::shuffle(drawn.begin(), drawn.end(), random);
    std::stable_sort(drawn.begin(), drawn.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    double sum = 0;
    for (std::size_t i = 1; i < drawn.size(); ++i) sum += 0.5 * std::pow(drawn[i].second - drawn[i - 1].second, 2);
    CHECK(lost_variance(f, s * s) == doctest::Approx(sum / double(drawn.size()) / (s * s)).epsilon(0.03));
  }
  CHECK(lost_variance(function("gelu"), 0.01) < 1e-10);
  check_contains(thrown([] { (void)lost_variance(activations::make_function(Cubic{})); }), {"lost_variance", "turns"});
  check_contains(thrown([] { (void)lost_variance(activations::activation("relu"), 0); }), {"lost_variance", "0"});
}
