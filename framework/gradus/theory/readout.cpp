#include "gradus/theory/readout.hpp"

#include <algorithm>
#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/theory/dead_units.hpp"
#include "gradus/theory/gaussian.hpp"
#include "gradus/theory/lipschitz.hpp"
#include "gradus/theory/quadrature.hpp"
#include "gradus/theory/scalar_loss.hpp"

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

// Where f turns from falling to rising between low and high; low when it never falls.
double turning_point(const activations::Function& f, double low, double high) {
  constexpr int points = 4000;
  bool rising = false;
  double before = f(low);
  for (int i = 1; i <= points; ++i) {
    const double now = f(low + (high - low) * i / points);
    if (rising && now < before) failf("lost_variance", "{} turns more than once", f.name());
    rising = rising || now > before;
    before = now;
  }
  return derivative_range(f, 0, {low, high}).lowest.at;
}

// The integral over low < x < high of x^power times the density of N(0, s^2).
double partial_moment(int power, double low, double high, double s) {
  return integrate([&](double z) { return std::pow(s * z, power) * normal_pdf(z); },
                   {low / s, 0.5 * (low + high) / s, high / s});
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

double lost_variance(const activations::Function& f, double q) {
  if (!(q > 0) || !std::isfinite(q)) failf("lost_variance", "a variance of {}; it must be positive and finite", q);
  const double s = std::sqrt(q), reach = 40 * s;
  double lost = 0;
  for (const Interval& flat : flat_intervals(f)) {
    const double low = std::max(flat.low, -reach), high = std::min(flat.high, reach);
    if (!(low < high)) continue;
    const double mass = partial_moment(0, low, high, s), first = partial_moment(1, low, high, s);
    if (mass > 0) lost += partial_moment(2, low, high, s) - first * first / mass;
  }
  if (f.traits().monotone) return lost / q;

  const double turn = turning_point(f, -reach, reach);
  const auto shared = [&](double x) {
    const double a = normal_pdf(x / s) / s;
    if (a * x * x < 1e-40 * q || !(f(reach) > f(x)) || f(1, x) == 0) return 0.0;
    const double other = inverse(f, f(x), {turn, reach}), slope = f(1, other);
    const double b = slope == 0 ? 0 : normal_pdf(other / s) / s * std::abs(f(1, x) / slope);
    return a + b == 0 ? 0 : a * b / (a + b) * (x - other) * (x - other);
  };
  std::vector<double> cuts{-reach, turn};
  for (const double kink : f.traits().kinks)
    if (-reach < kink && kink < turn) cuts.push_back(kink);
  for (const double z : {-16.0, -8.0, -4.0, -2.0, -1.0})
    if (z * s < turn) cuts.push_back(z * s);
  std::sort(cuts.begin(), cuts.end());
  return (lost + (turn > -reach ? integrate(shared, cuts, {.rtol = 1e-10}) : 0)) / q;
}

}  // namespace gradus::theory
