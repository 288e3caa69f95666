#include "gradus/theory/gaussian.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/core/format.hpp"
#include "gradus/theory/quadrature.hpp"

namespace gradus::theory {
namespace {

constexpr double inv_sqrt_2pi = 0.398942280401432677939946059934;

// e^(-x^2 / 2): x^2 is rounded, and in the exponential that costs x^2 / 4 last places; so what was lost is put back.
double bell(double x) {
  const double square = x * x, lost = std::fma(x, x, -square);
  return std::exp(-0.5 * square) * (1 - 0.5 * lost);
}

}  // namespace

double normal_pdf(double x) { return std::abs(x) > 40 ? 0 : inv_sqrt_2pi * bell(x); }

double normal_cdf(double x) {
  // x / sqrt 2 is rounded too: for x << 0 by parts, erfc(y) = e^(-y^2) scaled_erfc(y).
  if (x < -2) return x < -40 ? 0 : 0.5 * bell(x) * scaled_erfc(-x / std::numbers::sqrt2);
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

double normal_quantile(double p) {
  if (!(p >= 0 && p <= 1)) failf("normal_quantile", "a probability of {}; it must be between 0 and 1", p);
  if (p == 0 || p == 1) return (2 * p - 1) * std::numeric_limits<double>::infinity();
  if (p > 0.5) return -normal_quantile(1 - p);
  // Newton on log Phi, which is concave: from the left of the root it stays there and converges, from any distance.
  const double target = std::log(p);
  double x = -std::sqrt(std::max(0.0, -2 * target));  // Phi(x) < e^(-x^2/2)/2 <= p there
  for (int i = 0; i < 100; ++i) {
    const double step = (log_normal_cdf(x) - target) * mills_ratio(-x);
    x -= step;
    if (std::abs(step) <= 1e-16 * std::abs(x)) break;
  }
  return x;
}

double scaled_erfc(double x) {
  if (x < 10) {
    const double square = x * x, lost = std::fma(x, x, -square);
    return std::exp(square) * std::erfc(x) * (1 + (std::isfinite(lost) ? lost : 0));
  }
  double term = 1, total = 1;
  for (int n = 1; n <= 20; ++n) total += term *= -(2 * n - 1) / (2 * x * x);
  return total / (x * std::sqrt(std::numbers::pi));
}

double mills_ratio(double x) { return std::sqrt(std::numbers::pi / 2) * scaled_erfc(x / std::numbers::sqrt2); }

double log_normal_cdf(double x) {
  if (x > -1) return std::log1p(-normal_cdf(-x));
  return -0.5 * x * x + std::log(0.5 * scaled_erfc(-x / std::numbers::sqrt2));
}

double owens_t(double h, double a) {
  if (!(std::abs(a) <= 1) || !std::isfinite(h))
    failf("owens_t", "T({}, {}) was asked for; |a| must be at most 1", h, a);
  if (std::abs(h) > 40 || a == 0) return 0;
  // e^(-h^2 x^2 / 2) falls over 1 / h.
  std::vector<double> cuts{0};
  for (const double x : {0.5, 1.0, 2.0, 4.0, 8.0})
    if (x < std::abs(h * a)) cuts.push_back(x / std::abs(h));
  cuts.push_back(std::abs(a));
  const double integral = integrate([h](double x) { return bell(h * x) / (1 + x * x); }, cuts);
  return std::copysign(bell(h) * integral / (2 * std::numbers::pi), a);
}

std::vector<double> tail_integrals(double t, int highest) {
  if (highest < 0 || !(t <= 0)) failf("tail_integrals", "G up to {} at {}; needed are n >= 0 and t <= 0", highest, t);
  std::vector<double> g(std::size_t(highest) + 1);
  g[0] = mills_ratio(-t);
  if (highest == 0) return g;
  if (t > (highest > 2 ? -0.5 : -1.5)) {  // a digit is lost at most
    g[1] = 1 + t * g[0];
    for (int n = 1; n < highest; ++n) g[std::size_t(n) + 1] = t * g[std::size_t(n)] + n * g[std::size_t(n) - 1];
    return g;
  }
  // An error made k ratios behind is smaller by about e^(-2 |t| (sqrt(n + k) - sqrt n)).
  const double root = std::sqrt(double(highest)) + 20 / -t;
  double ratio = root;
  for (int n = int(root * root) + 20; n >= 1; --n) {
    ratio = n / (-t + ratio);
    if (n <= highest) g[std::size_t(n)] = ratio;
  }
  for (int n = 1; n <= highest; ++n) g[std::size_t(n)] *= g[std::size_t(n) - 1];
  return g;
}

std::vector<double> half_moments(double mean, double variance, int highest) {
  if (highest < 0) failf("half_moments", "the highest moment asked for is {}; it must not be negative", highest);
  if (!(variance > 0) || !std::isfinite(variance) || !std::isfinite(mean))
    failf("half_moments", "a Gaussian of mean {} and variance {}; the variance must be positive, both finite", mean,
          variance);
  const double s = std::sqrt(variance), t = mean / s;
  if (t <= 0) {
    std::vector<double> moments = tail_integrals(t, highest);
    double factor = normal_pdf(t);
    for (double& moment : moments) moment *= factor, factor *= s;
    return moments;
  }
  std::vector<double> moments(std::size_t(highest) + 1);
  moments[0] = normal_cdf(t);
  if (highest > 0) moments[1] = mean * moments[0] + s * normal_pdf(t);
  for (int n = 1; n < highest; ++n)
    moments[std::size_t(n) + 1] = mean * moments[std::size_t(n)] + n * variance * moments[std::size_t(n) - 1];
  return moments;
}

}  // namespace gradus::theory
