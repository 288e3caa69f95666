#include "gradus/theory/moments.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <vector>

#include "gradus/activations/registry.hpp"
#include "gradus/core/format.hpp"
#include "gradus/theory/quadrature.hpp"

namespace gradus::theory {
namespace {

void check(const char* operation, const GaussianOptions& options) {
  if (!(options.variance > 0) || !std::isfinite(options.variance) || !std::isfinite(options.mean))
    failf(operation, "a Gaussian of mean {} and variance {}; the variance must be positive, both finite", options.mean,
          options.variance);
}

double expectation(const std::function<double(double)>& h, const activations::Function& f,
                   const GaussianOptions& options) {
  return gaussian_expectation(h, options, f.traits().kinks);
}

// Var f(X) by the slope: f(x) - f(mean) is the integral of f' from one to the other, without the rounding of a large f.
// (For functions that are nearly constant, or nearly straight, where X is.)
double variance_by_slope(const activations::Function& f, const GaussianOptions& options) {
  const auto slope = [&](double x) { return f(1, x); };
  const auto change = [&](double x) {
    const double low = std::min(x, options.mean), high = std::max(x, options.mean);
    std::vector<double> cuts{low, high};
    for (const double kink : f.traits().kinks)
      if (low < kink && kink < high) cuts.push_back(kink);
    std::sort(cuts.begin(), cuts.end());
    const double integral = integrate(slope, cuts, {.max_intervals = 50});
    return x < options.mean ? -integral : integral;
  };
  const double mean = expectation(change, f, options);
  return expectation([&](double x) { return std::pow(change(x) - mean, 2); }, f, options);
}

}  // namespace

// E h(mean + s Z) = integral of h(mean + s z) phi(z) dz. Beyond |z| = 39 the density is below the smallest double,
// whatever polynomial it is multiplied with. The integrand has two scales, that of phi (1 in z) and that of the
// activation (1 in x, which is 1/s in z): both are given to the quadrature as first cuts, together with the kinks.
double gaussian_expectation(const std::function<double(double)>& h, const GaussianOptions& options,
                            const std::vector<double>& kinks) {
  check("gaussian_expectation", options);
  const double s = std::sqrt(options.variance);
  std::vector<double> cuts;
  for (const double z : {-39.0, -12.0, -6.0, -3.0, -1.5, 0.0, 1.5, 3.0, 6.0, 12.0, 39.0}) cuts.push_back(z);
  const auto cut_at = [&](double x) {
    const double z = (x - options.mean) / s;
    if (z > -39 && z < 39) cuts.push_back(z);
  };
  for (const double kink : kinks) cut_at(kink);
  for (const double x : {0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0}) cut_at(x), cut_at(-x);
  cut_at(0);
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  constexpr double inv_sqrt_2pi = 0.398942280401432677939946059934;
  return integrate([&](double z) { return h(options.mean + s * z) * inv_sqrt_2pi * std::exp(-0.5 * z * z); }, cuts);
}

Moments gaussian_moments(const activations::Function& f, const GaussianOptions& options) {
  check("gaussian_moments", options);
  Moments m{};
  m.mean = expectation([&](double x) { return f(0, x); }, f, options);
  m.second = expectation([&](double x) { return f(0, x) * f(0, x); }, f, options);
  m.variance = expectation([&](double x) { return (f(0, x) - m.mean) * (f(0, x) - m.mean); }, f, options);
  m.slope_mean = expectation([&](double x) { return f(1, x); }, f, options);
  m.slope_second = expectation([&](double x) { return f(1, x) * f(1, x); }, f, options);
  if (m.variance < 1e-7 * m.second) {
    // Values of f are rounded to some eps |f|, which shows in their small differences. The slope knows better, unless f
    // jumps.
    const double by_slope = variance_by_slope(f, options),
                 rounding = 8 * std::numeric_limits<double>::epsilon() * std::sqrt(m.second);
    if (std::abs(by_slope - m.variance) <= rounding * (2 * std::sqrt(std::max(by_slope, m.variance)) + rounding))
      m.variance = by_slope;
  }
  return m;
}

Moments gaussian_moments(std::string_view activation, const GaussianOptions& options) {
  return gaussian_moments(activations::activation(activation), options);
}

double preserving_weight_variance(const activations::Function& f, const PreservingVarianceOptions& options) {
  if (options.fan_in < 1) failf("preserving_weight_variance", "a fan_in of {}; at least 1 is needed", options.fan_in);
  const GaussianOptions gaussian{.variance = options.variance};
  check("preserving_weight_variance", gaussian);
  const double second = expectation([&](double x) { return f(0, x) * f(0, x); }, f, gaussian);
  if (!(second > 0))
    failf("preserving_weight_variance", "{} gives 0 for a Gaussian of variance {}; no weights can restore that",
          f.name(), options.variance);
  return options.variance / (double(options.fan_in) * second);
}

double preserving_weight_variance(std::string_view activation, const PreservingVarianceOptions& options) {
  return preserving_weight_variance(activations::activation(activation), options);
}

}  // namespace gradus::theory
