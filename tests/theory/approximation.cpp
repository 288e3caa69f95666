#include "gradus/theory/approximation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;

namespace {

double relu_network(const HiddenUnits& units, double x) {
  double y = units.constant;
  for (std::size_t i = 0; i < units.slopes.size(); ++i)
    y += units.weights[i] * std::max(0.0, units.slopes[i] * x + units.offsets[i]);
  return y;
}

}  // namespace

TEST_CASE("a piecewise linear function as a ReLU network") {
  const HiddenUnits hat = interpolating_units({-1, 0, 1, 2}, {0, 1, 0, 0});
  CHECK(hat.weights == std::vector<double>{1, -2, 1});
  for (double x = -3; x <= 3; x += 0.25) CHECK(relu_network(hat, x) == doctest::Approx(std::max(0.0, 1 - std::abs(x))));
  const std::vector<double> knots{-2, -0.3, 0.1, 5}, heights{3, -1, 4, 4.5};
  const HiddenUnits units = interpolating_units(knots, heights);
  for (std::size_t i = 0; i < 4; ++i) CHECK(relu_network(units, knots[i]) == doctest::Approx(heights[i]));
  CHECK(relu_network(units, -0.1) == doctest::Approx(1.5));
  CHECK(relu_network(units, -10) == 3);
  check_contains(thrown([] { (void)interpolating_units({1}, {1}); }), {"interpolating_units", "1"});
  check_contains(thrown([] {
                   (void)interpolating_units({1, 1}, {1, 2});
                 }),
                 {"interpolating_units", "rise"});
  check_contains(thrown([] {
                   (void)interpolating_units({1, 2, 3}, {1, NAN, 2});
                 }),
                 {"nan"});
}

TEST_CASE("an exponential by straight pieces") {
  for (const double k : {1.5, -0.7}) {
    const int pieces = 100;
    const std::vector<double> knots = exponential_knots(k, -3, 1, pieces);
    REQUIRE(knots.size() == pieces + 1);
    CHECK(knots.front() == -3);
    CHECK(knots.back() == 1);
    double least = 1e300, most = 0;
    for (std::size_t i = 0; i < pieces; ++i) {
      const double a = knots[i], b = knots[i + 1], slope = (std::exp(k * b) - std::exp(k * a)) / (b - a);
      const double x = std::log(slope / k) / k;  // where the chord is parallel
      const double error = std::exp(k * a) + slope * (x - a) - std::exp(k * x);
      least = std::min(least, error), most = std::max(most, error);
    }
    CHECK(most / least < 1.1);
    CHECK(2.5 * most == doctest::Approx(exponential_interpolation_error(-2.5, k, -3, 1, pieces)).epsilon(0.02));
  }
  check_contains(thrown([] { (void)exponential_knots(0, 0, 1, 3); }), {"exponential_knots", "0"});
  check_contains(thrown([] { (void)exponential_interpolation_error(1, 1, 1, 1, 3); }), {"exponential_interpolation_error"});
}
