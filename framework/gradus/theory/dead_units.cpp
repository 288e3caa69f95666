#include "gradus/theory/dead_units.hpp"

#include <algorithm>

#include "gradus/core/format.hpp"
#include "gradus/theory/gaussian.hpp"

namespace gradus::theory {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

bool flat_between(const activations::Function& f, double low, double high) {
  for (int i = 1; i <= 9; ++i) {
    double x = low + 0.1 * i * (high - low);
    if (std::isinf(low) && std::isinf(high))
      x = i - 5;
    else if (std::isinf(low))
      x = high - std::ldexp(1.0, i - 6);
    else if (std::isinf(high))
      x = low + std::ldexp(1.0, i - 6);
    if (f(1, x) != 0) return false;
  }
  return true;
}

double probability(const Interval& interval, const GaussianOptions& options) {
  const double s = std::sqrt(options.variance);
  const double a = (interval.low - options.mean) / s, b = (interval.high - options.mean) / s;
  return a > 0 ? normal_cdf(-a) - normal_cdf(-b) : normal_cdf(b) - normal_cdf(a);
}

void check(const char* operation, const GaussianOptions& options) {
  if (!(options.variance > 0) || !std::isfinite(options.variance) || !std::isfinite(options.mean))
    failf(operation, "a Gaussian of mean {} and variance {}; the variance must be positive, both finite", options.mean,
          options.variance);
}

}  // namespace

std::vector<Interval> flat_intervals(const activations::Function& f) {
  std::vector<double> ends = f.traits().kinks;
  ends.insert(ends.end(), {-infinity, infinity});
  std::sort(ends.begin(), ends.end());
  std::vector<Interval> flat;
  for (std::size_t i = 0; i + 1 < ends.size(); ++i)
    if (ends[i] < ends[i + 1] && flat_between(f, ends[i], ends[i + 1])) flat.push_back({ends[i], ends[i + 1]});
  return flat;
}

double dead_probability(const activations::Function& f, const GaussianOptions& options) {
  check("dead_probability", options);
  double total = 0;
  for (const Interval& interval : flat_intervals(f)) total += probability(interval, options);
  return total;
}

double dead_unit_probability(const activations::Function& f, Index samples, const GaussianOptions& options) {
  if (samples < 1) failf("dead_unit_probability", "{} samples; at least 1 is needed", samples);
  return std::pow(dead_probability(f, options), double(samples));
}

double small_slope_probability(const activations::Function& f, double threshold, const GaussianOptions& options) {
  check("small_slope_probability", options);
  if (!(threshold > 0)) failf("small_slope_probability", "a threshold of {}; it must be positive", threshold);
  const auto small = [&](double x) { return std::abs(f(1, x)) < threshold; };
  constexpr int steps = 16'000;
  const double s = std::sqrt(options.variance);
  std::vector<double> points = f.traits().kinks;
  for (int i = 0; i <= steps; ++i) points.push_back(options.mean + s * 80 * (double(i) / steps - 0.5));
  std::sort(points.begin(), points.end());
  double total = 0, from = -infinity;
  bool inside = small(points.front());
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    if (small(points[i + 1]) == inside) continue;
    double a = points[i], b = points[i + 1];
    for (double middle = 0.5 * (a + b); a < middle && middle < b; middle = 0.5 * (a + b))
      (small(middle) == inside ? a : b) = middle;
    if (inside) total += probability({from, b}, options);
    inside = !inside, from = b;
  }
  return inside ? total + probability({from, infinity}, options) : total;
}

}  // namespace gradus::theory
