#include "gradus/theory/scalar_loss.hpp"

#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/theory/dead_units.hpp"
#include "gradus/theory/gaussian.hpp"

namespace gradus::theory {
namespace {

void check_finite(const char* operation, const Interval& search) {
  if (!(search.low < search.high) || !std::isfinite(search.low) || !std::isfinite(search.high))
    failf(operation, "the interval from {} to {} must be finite and not empty", search.low, search.high);
}

template <class Positive>
double crossing(double a, double b, const Positive& positive) {
  const bool at_a = positive(a);
  for (double middle = 0.5 * (a + b); a < middle && middle < b; middle = 0.5 * (a + b))
    (positive(middle) == at_a ? a : b) = middle;
  return b;
}

}  // namespace

ScalarLoss scalar_loss(const activations::Function& f, double target, double w) {
  if (!std::isfinite(target) || !std::isfinite(w)) failf("scalar_loss", "a target of {} at w = {}", target, w);
  const double off = f(w) - target, slope = f(1, w);
  return {0.5 * off * off, off * slope, slope * slope + off * f(2, w)};
}

std::vector<Interval> negative_curvature(const activations::Function& f, double target, const Interval& search) {
  check_finite("negative_curvature", search);
  if (!std::isfinite(target)) failf("negative_curvature", "a target of {}", target);
  const auto negative = [&](double w) { return scalar_loss(f, target, w).curvature < 0; };
  constexpr int steps = 20'000;
  std::vector<Interval> found;
  bool inside = negative(search.low);
  double from = search.low, before = search.low;
  for (int i = 1; i <= steps; ++i) {
    const double w = search.low + (search.high - search.low) * i / steps;
    if (negative(w) != inside) {
      const double at = crossing(before, w, negative);
      if (inside) found.push_back({from, at});
      inside = !inside, from = at;
    }
    before = w;
  }
  if (inside) found.push_back({from, search.high});
  return found;
}

NewtonPath newton_path(const activations::Function& f, double target, double start) {
  if (!std::isfinite(start) || !std::isfinite(target))
    failf("newton_path", "a start of {}, a target of {}", start, target);
  NewtonPath path{{start}, false};
  for (int i = 0; i < 200; ++i) {
    const double w = path.weights.back();
    const ScalarLoss loss = scalar_loss(f, target, w);
    if (loss.slope != 0 && loss.curvature == 0) break;
    const double step = loss.slope == 0 ? 0 : loss.slope / loss.curvature;
    path.weights.push_back(w - step);
    path.converged = std::abs(step) <= 1e-15 * std::abs(w);
    if (path.converged || !(std::abs(w - step) < 1e6)) break;
  }
  return path;
}

double inverse(const activations::Function& f, double y, const Interval& search) {
  check_finite("inverse", search);
  const auto above = [&](double w) { return f(w) > y; };
  if (above(search.low) == above(search.high) || std::isnan(y))
    failf("inverse", "{} does not take the value {} once between {} and {}", f.name(), y, search.low, search.high);
  const double b = crossing(search.low, search.high, above), a = std::nextafter(b, search.low);
  return std::abs(f(a) - y) < std::abs(f(b) - y) ? a : b;
}

double pushforward_density(const activations::Function& f, double y, double mean, double variance) {
  if (!f.traits().monotone || !flat_intervals(f).empty())
    failf("pushforward_density", "{} does not rise strictly", f.name());
  if (!(variance > 0) || !std::isfinite(variance) || !std::isfinite(mean))
    failf("pushforward_density", "a Gaussian of mean {} and variance {}; the variance must be positive, both finite",
          mean, variance);
  if (std::isnan(y)) failf("pushforward_density", "the density at {}", y);
  const double s = std::sqrt(variance), reach = 40 * s;
  if (!(f(mean - reach) < y && y < f(mean + reach))) return 0;
  const double x = inverse(f, y, {mean - reach, mean + reach});
  return normal_pdf((x - mean) / s) / (s * f(1, x));
}

}  // namespace gradus::theory
