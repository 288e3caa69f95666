#include "gradus/theory/readout.hpp"

#include <algorithm>
#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/theory/dead_units.hpp"
#include "gradus/theory/gaussian.hpp"

namespace gradus::theory {
namespace {

void check(const char* operation, const activations::Function& f) {
  if (!f.traits().monotone) failf(operation, "{} is not known to be monotone", f.name());
}

// P(low < N(mean, 1) < high), for low <= high.
double between(double low, double high, double mean) {
  const double a = low - mean, b = high - mean;
  return a > 0 ? normal_cdf(-a) - normal_cdf(-b) : normal_cdf(b) - normal_cdf(a);
}

}  // namespace

double threshold_accuracy(const activations::Function& f, double threshold) {
  check("threshold_accuracy", f);
  if (std::isnan(threshold)) failf("threshold_accuracy", "a threshold of {}", threshold);
  double lost = 0;
  for (const Interval& flat : flat_intervals(f)) {
    const double cut = std::clamp(threshold, flat.low, flat.high);
    lost += std::min(between(flat.low, cut, 0), between(cut, flat.high, 0));
  }
  return 1 - lost;
}

double two_class_accuracy(const activations::Function& f, double mean_0, double mean_1) {
  check("two_class_accuracy", f);
  if (!std::isfinite(mean_0) || !std::isfinite(mean_1))
    failf("two_class_accuracy", "classes at {} and {}", mean_0, mean_1);
  // The two densities cross half-way. What the best decision on s gets right in an interval, and on a constant:
  const double middle = 0.5 * (mean_0 + mean_1), lower = std::min(mean_0, mean_1), upper = std::max(mean_0, mean_1);
  double accuracy = normal_cdf(0.5 * (upper - lower));
  for (const Interval& flat : flat_intervals(f)) {
    const double cut = std::clamp(middle, flat.low, flat.high);
    const double seen = 0.5 * (between(flat.low, cut, lower) + between(cut, flat.high, upper));
    accuracy -= seen - 0.5 * std::max(between(flat.low, flat.high, lower), between(flat.low, flat.high, upper));
  }
  return accuracy;
}

}  // namespace gradus::theory
