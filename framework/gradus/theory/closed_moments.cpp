#include "gradus/theory/closed_moments.hpp"

#include <cmath>
#include <numbers>
#include <vector>

#include "gradus/activations/builtin.hpp"
#include "gradus/activations/registry.hpp"
#include "gradus/core/format.hpp"
#include "gradus/theory/erf.hpp"
#include "gradus/theory/gaussian.hpp"
#include "gradus/theory/quadrature.hpp"

namespace gradus::theory {
namespace {

using std::numbers::pi;
using std::numbers::sqrt2;

Moments with_variance(double mean, double second, double slope_mean, double slope_second) {
  return {mean, second, second - mean * mean, slope_mean, slope_second};
}

// x above 0, a x below.
Moments two_slopes(double a, const GaussianOptions& options) {
  if (a == 1) return {options.mean, options.mean * options.mean + options.variance, options.variance, 1, 1};
  const std::vector<double> right = half_moments(options.mean, options.variance, 2);
  const std::vector<double> left = half_moments(-options.mean, options.variance, 2);  // of -X
  return with_variance(right[1] - a * left[1], right[2] + a * a * left[2], right[0] + a * left[0],
                       right[0] + a * a * left[0]);
}

// l x above 0, l b (e^(k x) - 1) below.
struct ExponentialUnit {
  double l, b, k;
};

Moments exponential_unit(const ExponentialUnit& u, const GaussianOptions& options) {
  const double s = std::sqrt(options.variance), t = options.mean / s;
  const auto tail = [&](int j) {  // T_j
    const double shift = j * u.k * s, z = t + shift;
    if (z > 0) return normal_pdf(t) * mills_ratio(z);
    return std::exp(shift * (t + shift / 2)) * normal_cdf(-z);
  };
  const std::vector<double> right = half_moments(options.mean, options.variance, 2);
  std::vector<double> left = half_moments(-options.mean, options.variance, 1);  // of -X
  const double t0 = left[0], t1 = tail(1), t2 = tail(2);
  const double slope = u.b * u.k;
  double first = right[1] + u.b * (t1 - t0), second = t2 - 2 * t1 + t0;
  if (std::abs(u.k) * left[1] < 0.5 * left[0]) {  // the typical size of k X, given X < 0
    constexpr int terms = 40;
    left = half_moments(-options.mean, options.variance, terms);
    double bend = second = 0;
    double power = -u.k;  // (-k)^n / n!
    for (int n = 2; n <= terms; ++n) {
      power *= -u.k / n;
      bend += power * left[std::size_t(n)];
      second += (std::ldexp(1.0, n) - 2) * power * left[std::size_t(n)];
    }
    first = (slope == 1 ? options.mean : right[1] - slope * left[1]) + u.b * bend;
  }
  return with_variance(u.l * first, u.l * u.l * (right[2] + u.b * u.b * second), u.l * (right[0] + slope * t1),
                       u.l * u.l * (right[0] + slope * slope * t2));
}

// E Phi(X)^2 = Phi(h) - 2 T(h, a), h = mu / sqrt(1 + q), a = 1 / sqrt(1 + 2 q). In the left tail the two cancel; since
// 2 T(h, 1) = Phi(h) Phi(-h), it is also Phi(h)^2 + 2 T(h, 1) - 2 T(h, a), where the difference is an integral of
// positive numbers.
double squared_cdf(double h, double a) {
  if (h > 0) return normal_cdf(h) - 2 * owens_t(h, a);
  const auto bell = [h](double x) { return std::exp(-0.5 * h * h * (1 + x * x)) / (1 + x * x); };
  std::vector<double> cuts{a};
  for (const double x : {0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0})  // it falls over 1 / (h^2 a)
    if (x < h * h * a * (1 - a)) cuts.push_back(a + x / (h * h * a));
  cuts.push_back(1);
  return normal_cdf(h) * normal_cdf(h) + integrate(bell, cuts) / pi;
}

Moments gelu(const GaussianOptions& options) {
  const double mu = options.mean, q = options.variance, c = 1 + q, d = 1 + 2 * q;
  const double h = mu / std::sqrt(c), a = mu / std::sqrt(c * d), density = normal_pdf(h) / std::sqrt(c);
  const double squares = squared_cdf(h, 1 / std::sqrt(d));
  const double spread = q * normal_pdf(a) / std::sqrt(c * d);
  const double bell = std::exp(-mu * mu / d) / (2 * pi * std::sqrt(d));
  return with_variance(mu * normal_cdf(h) + q * density,
                       (mu * mu + q) * squares + 2 * q * density * (mu * (1 + 1 / c) * normal_cdf(a) + spread),
                       normal_cdf(h) + mu * density / c,
                       squares + 2 * density * (mu / c * normal_cdf(a) + spread) + bell * (mu * mu / d + q) / d);
}

Moments erf(const GaussianOptions& options) {
  const double mu = options.mean, q = options.variance, d = 1 + 2 * q, e = 1 + 4 * q;
  const double slope = 2 / std::sqrt(pi);
  const double second =
      mu == 0 ? 2 / pi * std::asin(2 * q / d) : 1 - 8 * owens_t(sqrt2 * mu / std::sqrt(d), 1 / std::sqrt(e));
  return with_variance(std::erf(mu / std::sqrt(d)), second, slope * std::exp(-mu * mu / d) / std::sqrt(d),
                       slope * slope * std::exp(-2 * mu * mu / e) / std::sqrt(e));
}

// E[X^n; low < X < high] for n = 0, ..., 4: by parts, M_(n+1) = mu M_n + n q M_(n-1) - q [x^n p(x)] from low to high.
std::vector<double> moments_between(double low, double high, const GaussianOptions& options) {
  const double mu = options.mean, q = options.variance, s = std::sqrt(q);
  const double a = (low - mu) / s, b = (high - mu) / s;
  std::vector<double> m{a > 0 ? normal_cdf(-a) - normal_cdf(-b) : normal_cdf(b) - normal_cdf(a)};
  double at_low = normal_pdf(a) / s, at_high = normal_pdf(b) / s;  // x^n p(x)
  for (int n = 0; n < 4; ++n) {
    const double before = n == 0 ? 0 : n * q * m[std::size_t(n) - 1];
    m.push_back(mu * m[std::size_t(n)] + before - q * (at_high - at_low));
    at_low *= low, at_high *= high;
  }
  return m;
}

// x above 3, x (x + 3) / 6 between -3 and 3.
Moments hard_swish(const GaussianOptions& options) {
  const double s = std::sqrt(options.variance);
  const std::vector<double> m = moments_between(-3, 3, options);
  const std::vector<double> w = half_moments(options.mean - 3, options.variance, 4);  // of X - 3
  double first = w[1] + 3 * w[0] + (m[2] + 3 * m[1]) / 6;
  double second = w[2] + 6 * w[1] + 9 * w[0] + (m[4] + 6 * m[3] + 9 * m[2]) / 36;
  if (options.mean + 3 < -s && s < 30) {
    // In the left tail the truncated moments cancel. There f = y (y - 3) / 6 for y = X + 3 > 0, corrected where X > 3:
    // by -w (w + 3) / 6, and f^2 by -w (w + 3)^2 (w + 12) / 36.
    const std::vector<double> y = half_moments(options.mean + 3, options.variance, 4);
    first = (y[2] - 3 * y[1] - w[2] - 3 * w[1]) / 6;
    second = (y[4] - 6 * y[3] + 9 * y[2] - (w[4] + 18 * w[3] + 81 * w[2] + 108 * w[1])) / 36;
  }
  return with_variance(first, second, w[0] + m[1] / 3 + m[0] / 2, w[0] + m[2] / 9 + m[1] / 3 + m[0] / 4);
}

Moments softshrink(double lambda, const GaussianOptions& options) {
  const std::vector<double> right = half_moments(options.mean - lambda, options.variance, 2);
  const std::vector<double> left = half_moments(-options.mean - lambda, options.variance, 2);
  const double slope = right[0] + left[0];
  return with_variance(right[1] - left[1], right[2] + left[2], slope, slope);
}

}  // namespace

std::optional<Moments> closed_gaussian_moments(const activations::Function& f, const GaussianOptions& options) {
  if (!(options.variance > 0) || !std::isfinite(options.variance) || !std::isfinite(options.mean))
    failf("closed_gaussian_moments",
          "a Gaussian of mean {} and variance {}; the variance must be positive, both finite", options.mean,
          options.variance);
  using activations::SELU;
  if (f.target<activations::Identity>()) return two_slopes(1, options);
  if (f.target<activations::ReLU>()) return two_slopes(0, options);
  if (const auto* leaky = f.target<activations::LeakyReLU>()) return two_slopes(leaky->slope, options);
  if (const auto* prelu = f.target<activations::PReLU>()) return two_slopes(prelu->slope, options);
  if (const auto* elu = f.target<activations::ELU>()) return exponential_unit({1, elu->alpha, 1}, options);
  if (const auto* celu = f.target<activations::CELU>())
    return exponential_unit({1, celu->alpha, 1 / celu->alpha}, options);
  if (f.target<SELU>()) return exponential_unit({SELU::scale, SELU::alpha, 1}, options);
  if (f.target<activations::GELU>()) return gelu(options);
  if (f.target<activations::HardSwish>()) return hard_swish(options);
  if (const auto* shrink = f.target<activations::Softshrink>()) return softshrink(shrink->lambda, options);
  if (f.target<Erf>()) return erf(options);
  return std::nullopt;
}

std::optional<Moments> closed_gaussian_moments(std::string_view activation, const GaussianOptions& options) {
  return closed_gaussian_moments(activations::activation(activation), options);
}

}  // namespace gradus::theory
