#include "gradus/theory/approximation.hpp"

#include <cmath>

#include "gradus/core/format.hpp"

namespace gradus::theory {
namespace {

void check(const char* operation, double k, double low, double high, int pieces) {
  if (k == 0 || !std::isfinite(k) || !(low < high) || !std::isfinite(low) || !std::isfinite(high) || pieces < 1)
    failf(operation, "e^({} x) from {} to {} in {} pieces", k, low, high, pieces);
}

}  // namespace

HiddenUnits interpolating_units(const std::vector<double>& knots, const std::vector<double>& heights) {
  if (knots.size() < 2 || knots.size() != heights.size())
    failf("interpolating_units", "{} knots and {} heights; as many of both are needed, at least two", knots.size(),
          heights.size());
  HiddenUnits units;
  units.constant = heights[0];
  double before = 0;
  for (std::size_t i = 0; i < knots.size(); ++i) {
    if (!std::isfinite(knots[i]) || !std::isfinite(heights[i]) || (i > 0 && !(knots[i - 1] < knots[i])))
      failf("interpolating_units", "knot {} is at {}, its height {}; knots must rise, all be finite", i, knots[i],
            heights[i]);
    if (i + 1 == knots.size()) break;
    const double slope = (heights[i + 1] - heights[i]) / (knots[i + 1] - knots[i]);
    units.slopes.push_back(1), units.offsets.push_back(-knots[i]), units.weights.push_back(slope - before);
    before = slope;
  }
  return units;
}

std::vector<double> exponential_knots(double k, double low, double high, int pieces) {
  check("exponential_knots", k, low, high, pieces);
  std::vector<double> knots{low};
  const double from = std::exp(0.5 * k * low), to = std::exp(0.5 * k * high);
  for (int i = 1; i < pieces; ++i) knots.push_back(2 / k * std::log(from + (to - from) * i / pieces));
  knots.push_back(high);
  return knots;
}

double exponential_interpolation_error(double c, double k, double low, double high, int pieces) {
  check("exponential_interpolation_error", k, low, high, pieces);
  const double difference = std::exp(0.5 * k * high) - std::exp(0.5 * k * low);
  return std::abs(c) * difference * difference / (2.0 * pieces * pieces);
}

}  // namespace gradus::theory
