#include "gradus/theory/quadrature.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "thrown.hpp"

using namespace gradus;
using theory::GaussLegendre;
using theory::integrate;

TEST_CASE("Gauss-Legendre nodes and weights are right to the last place") {
  constexpr double ulp = std::numeric_limits<double>::epsilon();
  const auto check = [](int n, int i, double node, double weight) {
    const GaussLegendre rule(n);
    CAPTURE(n);
    CAPTURE(i);
    CHECK(std::abs(rule.nodes.at(std::size_t(i)) - node) <= ulp / 2 * std::abs(node));
    CHECK(std::abs(rule.weights.at(std::size_t(i)) - weight) <= ulp * weight);
  };
  // Computed with thirty digits.
  check(1, 0, 0, 2);
  check(2, 0, 0.57735026918962576451, 1);
  check(2, 1, -0.57735026918962576451, 1);
  check(5, 0, 0.9061798459386639928, 0.23692688505618908751);
  check(5, 1, 0.53846931010568309104, 0.47862867049936646804);
  check(5, 2, 0, 0.56888888888888888889);
  check(5, 4, -0.9061798459386639928, 0.23692688505618908751);
  check(20, 0, 0.99312859918509492479, 0.017614007139152118312);
  check(20, 1, 0.96397192727791379127, 0.040601429800386941331);
  check(20, 2, 0.91223442825132590587, 0.06267204833410906357);
  CHECK(thrown([] { GaussLegendre(0); }).find("GaussLegendre") != std::string::npos);
  CHECK(thrown([] { GaussLegendre(-3); }).find("-3") != std::string::npos);
}

TEST_CASE("a rule of n points is exact for polynomials up to degree 2n - 1, and for none beyond") {
  for (int n = 1; n <= 40; ++n) {
    const GaussLegendre rule(n);
    const auto error = [&](int degree) {
      double sum = 0;
      for (std::size_t i = 0; i < rule.nodes.size(); ++i) sum += rule.weights[i] * std::pow(rule.nodes[i], degree);
      return std::abs(sum - (degree % 2 == 0 ? 2.0 / (degree + 1) : 0.0));
    };
    for (int degree = 0; degree < 2 * n; ++degree) {
      CAPTURE(n);
      CAPTURE(degree);
      CHECK(error(degree) < 1e-14);
    }
    if (n < 12) CHECK(error(2 * n) > 1e-8);  // 2^(2n+1) n!^4 / ((2n+1) (2n)!^2)
  }
}

TEST_CASE("integrals are exact to the digits of double") {
  const auto close = [](double value, double expected) {
    return std::abs(value - expected) <= 4e-15 * std::abs(expected);
  };
  CHECK(close(integrate([](double x) { return std::exp(x); }, {0, 1}), std::numbers::e - 1));
  CHECK(close(integrate([](double x) { return 1 / (1 + x * x); }, {0, 1}), std::numbers::pi / 4));
  CHECK(close(integrate([](double x) { return std::exp(-x * x); }, {-8, 8}), std::sqrt(std::numbers::pi)));
  // A narrow peak, a kink that nobody announced, and a root's infinite slope have to be found.
  CHECK(close(integrate([](double x) { return 1 / (1e-8 + x * x); }, {-1, 1}), 2e4 * std::atan(1e4)));
  CHECK(close(integrate([](double x) { return std::abs(x - 1 / std::numbers::pi); }, {0, 1}),
              (1 / (std::numbers::pi * std::numbers::pi) + std::pow(1 - 1 / std::numbers::pi, 2)) / 2));
  CHECK(std::abs(integrate([](double x) { return std::sqrt(x); }, {0, 1}) - 2.0 / 3) < 1e-14);
  // Fast waves take more intervals: sin(100 x)^2 under a Gaussian of deviation 100.
  const auto waves = [](double z) { return std::pow(std::sin(1e4 * z), 2) * std::exp(-0.5 * z * z); };
  CHECK(std::abs(integrate(waves, {-12, -6, -3, 0, 3, 6, 12}) / std::sqrt(2 * std::numbers::pi) - 0.5) < 1e-8);
  // What cancels is small next to the integral of |f|.
  CHECK(std::abs(integrate([](double x) { return std::sin(x); }, {-3, 3})) < 1e-15);
  CHECK(integrate([](double) { return 1.0; }, {2, 2}) == 0);
  CHECK(integrate([](double) { return 1.0; }, {2}) == 0);
  CHECK(integrate([](double) { return 0.0; }, {0, 1}) == 0);
}

TEST_CASE("what has no integral ends as well") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(integrate([nan](double) { return nan; }, {0, 1})));
  CHECK(!std::isfinite(
      integrate([](double x) { return x > 0.5 ? std::numeric_limits<double>::infinity() : 1.0; }, {0, 1})));
  CHECK(std::isfinite(integrate([](double x) { return 1 / x; }, {0, 1})));  // diverges, but no node is at 0
  // Noise far above the tolerance does not halve the intervals for ever.
  int calls = 0;
  const double noisy = integrate(
      [&](double x) {
        ++calls;
        return x + 1e-9 * std::sin(1e12 * x);
      },
      {0, 1});
  CHECK(std::abs(noisy - 0.5) < 1e-9);
  CHECK(calls < 100'000);
  CHECK(thrown([] { (void)integrate([](double x) { return x; }, {1, 0}); }).find("wrong order") != std::string::npos);
  CHECK(thrown([nan] {
          (void)integrate([](double x) { return x; }, {0, nan});
        }).find("integrate") != std::string::npos);
}
