#include "gradus/theory/lipschitz.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/activations/make_function.hpp"
#include "gradus/activations/registry.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;

namespace {

activations::Function function(std::string_view name) { return activations::activation(name); }

constexpr double infinity = std::numeric_limits<double>::infinity();

// Without f'': golden sections have to do.
struct Wave {
  template <class V>
  V f(const V& x) const {
    return x * exp(-x * x);
  }
  template <class V>
  V df(const V& x) const {
    return (V(1) - V(2) * x * x) * exp(-x * x);
  }
};

struct OnlyValues {
  template <class V>
  V f(const V& x) const {
    return x;
  }
};

}  // namespace

TEST_CASE("global Lipschitz constants") {
  const Extreme gelu = lipschitz_constant("gelu");
  CHECK(gelu.value == doctest::Approx(1.1289041451851547).epsilon(4e-16));
  CHECK(gelu.at == doctest::Approx(std::numbers::sqrt2).epsilon(1e-15));
  const auto constant = [](const char* name) { return lipschitz_constant(name).value; };
  CHECK(constant("gelu_tanh") == doctest::Approx(1.1289931).epsilon(1e-7));
  CHECK(constant("silu") == doctest::Approx(1.0998393).epsilon(1e-7));
  CHECK(constant("mish") == doctest::Approx(1.0884982).epsilon(1e-7));
  CHECK(constant("selu") == doctest::Approx(1.7580993408473769).epsilon(1e-15));
  CHECK(constant("hard_swish") == doctest::Approx(1.5).epsilon(1e-15));
  CHECK(constant("elu") == 1);
  CHECK(constant("elu(2.5)") == doctest::Approx(2.5).epsilon(1e-15));
  CHECK(constant("elu(0.5)") == 1);
  CHECK(constant("celu(0.2)") == 1);
  for (const char* one : {"relu", "tanh", "softplus", "identity", "leaky_relu", "prelu", "softsign", "softshrink"}) {
    CAPTURE(std::string(one));
    CHECK(constant(one) == 1);
  }
  CHECK(constant("sigmoid") == 0.25);
  CHECK(constant("leaky_relu(-3)") == 3);
  CHECK(lipschitz_constant("tanh").at == 0);
}

TEST_CASE("the lowest slopes, and places") {
  const SlopeRange gelu = slope_range(function("gelu"));
  CHECK(gelu.lowest.value == doctest::Approx(-0.1289041451851547).epsilon(1e-14));
  CHECK(gelu.lowest.at == doctest::Approx(-std::numbers::sqrt2).epsilon(1e-15));
  CHECK(slope_range(function("relu")).lowest.value == 0);
  CHECK(slope_range(function("elu")).lowest.value == 0);
  const SlopeRange swish = slope_range(function("hard_swish"));
  CHECK(swish.lowest.value == doctest::Approx(-0.5).epsilon(1e-15));
  CHECK(swish.lowest.at == -3);
  CHECK(swish.highest.at == 3);
}

TEST_CASE("higher derivatives: GELU's second") {
  const SlopeRange bend = derivative_range(function("gelu"), 2);
  CHECK(bend.lowest.value == doctest::Approx(-0.10798).epsilon(1e-4));
  CHECK(std::abs(bend.lowest.at) == doctest::Approx(2).epsilon(1e-14));
  CHECK(bend.highest.value == doctest::Approx(std::sqrt(2 / std::numbers::pi)).epsilon(1e-15));
  CHECK(std::abs(bend.highest.at) < 1e-14);
  CHECK(derivative_range(function("gelu"), 0).lowest.value == doctest::Approx(-0.1699712).epsilon(2e-7));
  CHECK(derivative_range(function("gelu"), 0).lowest.at == doctest::Approx(-0.7517915).epsilon(1e-7));
  CHECK(derivative_range(function("mish"), 0).lowest.at == doctest::Approx(-1.1924312).epsilon(1e-7));
}

TEST_CASE("constants of intervals") {
  const auto on = [](const char* name, double low, double high) { return lipschitz_constant(name, {low, high}).value; };
  CHECK(on("gelu", -2, 2) == doctest::Approx(1.1289041451851547).epsilon(1e-15));
  CHECK(on("gelu", -10, 10) == doctest::Approx(1.1289041451851547).epsilon(1e-15));
  CHECK(on("gelu", -1, 1) == doctest::Approx(1.0833155).epsilon(1e-7));
  CHECK(on("gelu", -0.5, 0.5) == doctest::Approx(0.8674951).epsilon(1e-7));
  CHECK(on("silu", -2, 2) == doctest::Approx(1.0907842).epsilon(1e-7));
  CHECK(on("hard_swish", -2, 2) == doctest::Approx(7.0 / 6).epsilon(1e-15));
  CHECK(on("gelu", -infinity, -5) == doctest::Approx(7.147e-6).epsilon(1e-3));
  CHECK(on("relu", -3, 0) == 0);
  CHECK(on("relu", 0, 3) == 1);
  CHECK(on("elu(2)", 0, 1) == 1);  // at 0 from the right: the function on [0, 1] never rises faster
  CHECK(on("elu(2)", -1, 0) == doctest::Approx(2).epsilon(1e-15));
  CHECK(on("tanh", 1, 1) == doctest::Approx(1 - std::tanh(1) * std::tanh(1)).epsilon(1e-14));
  CHECK(on("gelu", std::numbers::sqrt2 - 1e-9, std::numbers::sqrt2 + 1e-9) ==
        doctest::Approx(1.1289041451851547).epsilon(1e-15));
}

TEST_CASE("where slopes turn: with the ends of an interval, all its extremes") {
  const auto gelu = slope_turns(function("gelu"));
  REQUIRE(gelu.size() == 2);
  CHECK(gelu[0].at == doctest::Approx(-std::numbers::sqrt2).epsilon(1e-15));
  CHECK(gelu[1].value == doctest::Approx(1.1289041451851547).epsilon(1e-15));
  const auto swish = slope_turns(function("hard_swish"));
  REQUIRE(swish.size() == 4);
  CHECK(swish[0].value == 0);
  CHECK(swish[1].value == doctest::Approx(-0.5));
  CHECK(swish[2].value == doctest::Approx(1.5));
  CHECK(swish[3].value == 1);
  for (const char* name : {"relu", "elu(2)", "selu", "tanh", "sigmoid", "softplus", "softsign", "silu", "mish",
                           "gelu_tanh", "celu(3)", "softshrink"}) {
    const auto f = function(name);
    const auto turns = slope_turns(f);
    CAPTURE(std::string(name));
    CHECK(turns.size() <= 6);
    for (const double low : {-9.0, -3.1, -1.0, -0.3, 0.2, 1.1})
      for (const double width : {0.05, 1.0, 4.0, 12.0}) {
        double least = std::min(f(1, low), f(1, low + width)), most = std::max(f(1, low), f(1, low + width));
        for (const Extreme& turn : turns)
          if (turn.at > low && turn.at < low + width)
            least = std::min(least, turn.value), most = std::max(most, turn.value);
        const SlopeRange scanned = slope_range(f, {low, low + width});
        CHECK(std::abs(least - scanned.lowest.value) < 1e-13);
        CHECK(std::abs(most - scanned.highest.value) < 1e-13);
      }
  }
}

TEST_CASE("without a second derivative golden sections find the extremes") {
  const SlopeRange wave = slope_range(activations::make_function(Wave{}));
  CHECK(wave.highest.value == doctest::Approx(1).epsilon(1e-14));
  CHECK(wave.lowest.value == doctest::Approx(-2 * std::exp(-1.5)).epsilon(1e-14));
  CHECK(std::abs(wave.lowest.at) == doctest::Approx(std::sqrt(1.5)).epsilon(1e-6));
}

TEST_CASE("how far GELU's tanh form is from GELU") {
  const Extreme value = max_difference(function("gelu"), function("gelu_tanh"));
  CHECK(value.value == doctest::Approx(4.7324e-4).epsilon(1e-4));
  CHECK(std::abs(value.at) == doctest::Approx(2.69894).epsilon(1e-5));
  const Extreme slope = max_difference(function("gelu"), function("gelu_tanh"), 1);
  CHECK(slope.value == doctest::Approx(8.6845e-4).epsilon(1e-4));
  CHECK(std::abs(slope.at) == doctest::Approx(2.01866).epsilon(1e-5));
  CHECK(max_difference(function("relu"), function("elu"), 0, {-2, 2}).value == doctest::Approx(1 - std::exp(-2)));
  CHECK(max_difference(function("relu"), function("relu")).value == 0);
}

TEST_CASE("misuse") {
  check_contains(thrown([] { (void)lipschitz_constant("gelu", {1, -1}); }), {"derivative_range", "1", "-1"});
  check_contains(thrown([] { (void)lipschitz_constant("gelu", {std::nan(""), 1}); }), {"nan"});
  check_contains(thrown([] { (void)slope_range(activations::make_function(OnlyValues{})); }), {"OnlyValues", "df"});
  check_contains(thrown([] {
                   (void)max_difference(function("gelu"), function("elu"), 0, {2, 1});
                 }),
                 {"max_difference"});
}
