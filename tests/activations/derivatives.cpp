#include <doctest/doctest.h>

#include <limits>
#include <map>

#include "activations/reference.hpp"

using namespace gradus;
using namespace gradus::test;

namespace {

// The central difference of f^(order) at x, extrapolated once (Richardson): error of order h^4.
double difference(const Function& f, int order, double x, double h) {
  const auto plain = [&](double step) { return (f(order, x + step) - f(order, x - step)) / (2 * step); };
  return (4 * plain(h / 2) - plain(h)) / 3;
}

bool near_kink(const Function& f, double x, double distance) {
  for (const double kink : f.traits().kinks)
    if (std::fabs(x - kink) <= distance) return true;
  return false;
}

}  // namespace

TEST_CASE("every derivative is that of the one before") {
  constexpr double h = 2e-3;
  std::vector<Function> all = builtins();
  for (const char* name : {"elu(0.3)", "celu(0.7)", "softplus(2.5, 10)", "softshrink(0.1)", "leaky_relu(0.2)"})
    all.push_back(activations::activation(name));
  for (const Function& f : all) {
    REQUIRE(f.highest_derivative() == 3);
    int tried = 0;
    for (double x = -11.9973; x < 12; x += 0.0917) {
      if (near_kink(f, x, 2 * h)) continue;
      ++tried;
      for (int order = 0; order < 3; ++order) {
        const double expected = difference(f, order, x, h), got = f(order + 1, x);
        INFO(f.name() << ": derivative " << order + 1 << " at x = " << x);
        CHECK(std::fabs(got - expected) <= 2e-9 * std::max(1.0, std::fabs(expected)));
      }
    }
    CHECK(tried > 200);
  }
}

TEST_CASE("derivatives keep their relative accuracy in the negative tail") {
  // There f falls like e^x or e^(-x^2/2), and a difference of logarithms sees the relative error.
  for (const char* name : {"gelu", "gelu_tanh", "silu", "mish", "softplus", "sigmoid", "elu"}) {
    const Function f = activations::activation(name);
    for (int order = std::string_view(name) == "elu" ? 1 : 0; order < 3; ++order) {
      for (double x = -24; x < -8; x += 0.37) {
        const double expected = difference(f, order, x, 1e-4);
        INFO(std::string(name) << ": derivative " << order + 1 << " at x = " << x);
        CHECK(f(order + 1, x) == doctest::Approx(expected).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("at kinks the derivatives are PyTorch's") {
  const auto slope = [](const char* name, double x) { return activations::activation(name)(1, x); };
  CHECK(slope("relu", 0) == 0);
  CHECK(slope("relu", -0.0) == 0);
  CHECK(slope("leaky_relu", 0) == 0.01);
  CHECK(slope("prelu", 0) == 0.25);
  CHECK(slope("elu(0.5)", 0) == 0.5);
  CHECK(slope("celu(0.5)", 0) == 1);
  CHECK(slope("selu", 0) == doctest::Approx(1.7580993408473766).epsilon(1e-15));
  CHECK(slope("hard_swish", -3) == 0);
  CHECK(slope("hard_swish", 3) == 1);
  CHECK(slope("softshrink", 0.5) == 0);
  CHECK(slope("softshrink", -0.5) == 0);
  CHECK(slope("softplus", 20) == doctest::Approx(1 / (1 + std::exp(-20.0))).epsilon(1e-15));
  CHECK(slope("softplus", 20.001) == 1);
  CHECK(slope("softsign", 0) == 1);
}

TEST_CASE_TEMPLATE("at extreme points everything is finite that should be, and at infinity it is the limit", T, float,
                   double) {
  struct Limits {
    double f_left, f_right, df_left, df_right;
  };
  constexpr double inf = std::numeric_limits<double>::infinity();
  const double selu = 1.0507009873554805;
  const std::map<std::string, Limits> limits{{"celu", {-1, inf, 0, 1}},
                                             {"elu", {-1, inf, 0, 1}},
                                             {"gelu", {0, inf, 0, 1}},
                                             {"gelu_tanh", {0, inf, 0, 1}},
                                             {"hard_swish", {0, inf, 0, 1}},
                                             {"identity", {-inf, inf, 1, 1}},
                                             {"leaky_relu", {-inf, inf, 0.01, 1}},
                                             {"mish", {0, inf, 0, 1}},
                                             {"prelu", {-inf, inf, 0.25, 1}},
                                             {"relu", {0, inf, 0, 1}},
                                             {"selu", {-selu * 1.6732632423543773, inf, 0, selu}},
                                             {"sigmoid", {0, 1, 0, 0}},
                                             {"silu", {0, inf, 0, 1}},
                                             {"softplus", {0, inf, 0, 1}},
                                             {"softshrink", {-inf, inf, 1, 1}},
                                             {"softsign", {-1, 1, 0, 0}},
                                             {"tanh", {-1, 1, 0, 0}}};
  const auto at = [](const Function& f, int order, T x) {
    T y = 0;
    f.evaluate(order, &x, &y, 1);
    return y;
  };
  constexpr T infinity = std::numeric_limits<T>::infinity();
  for (const Function& f : builtins()) {
    INFO("activation " << f.name());
    for (const double x : {0.0, -0.0, 1e-8, -1e-8, 20.0, -20.0, 89.0, -89.0, 1e4, -1e4, 3e38, -3e38}) {
      CAPTURE(x);
      for (int order = 0; order <= 3; ++order) {
        CAPTURE(order);
        CHECK(std::isfinite(at(f, order, static_cast<T>(x))));
      }
      // No slope of these exceeds 1.8, at any point.
      CHECK(std::fabs(at(f, 1, static_cast<T>(x))) < 1.8);
    }
    REQUIRE(limits.count(f.name()) == 1);
    const Limits& limit = limits.at(f.name());
    const auto close = [](T got, double expected) {
      return got == expected || std::fabs(got - expected) <= 1e-6 * std::fabs(expected);
    };
    CHECK(close(at(f, 0, -infinity), limit.f_left));
    CHECK(close(at(f, 0, infinity), limit.f_right));
    CHECK(close(at(f, 1, -infinity), limit.df_left));
    CHECK(close(at(f, 1, infinity), limit.df_right));
    for (int order = 2; order <= 3; ++order) {
      CHECK(at(f, order, -infinity) == 0);
      CHECK(at(f, order, infinity) == 0);
    }
    CHECK(std::isnan(at(f, 0, std::numeric_limits<T>::quiet_NaN())));
  }
}

TEST_CASE("traits tell the truth") {
  for (const Function& f : builtins()) {
    INFO("activation " << f.name());
    CHECK(!f.traits().formula.empty());
    CHECK(f.traits().smooth == f.traits().kinks.empty());
    bool falls = false;
    for (double x = -15; x < 15; x += 0.01) falls = falls || f(x + 0.01) < f(x);
    CHECK(f.traits().monotone == !falls);
    // At a kink some derivative jumps; the formula's value is continuous but for softplus' threshold.
    for (const double kink : f.traits().kinks) {
      bool jumps = false;
      for (int order = 0; order <= 3; ++order)
        jumps = jumps || std::fabs(f(order, kink + 1e-9) - f(order, kink - 1e-9)) > 1e-9 * 3;
      CHECK(jumps == (f.name() != "softplus"));
    }
  }
}
