#include "gradus/theory/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "gradus/activations/builtin.hpp"
#include "gradus/activations/registry.hpp"
#include "gradus/core/format.hpp"
#include "gradus/theory/closed_moments.hpp"
#include "gradus/theory/erf.hpp"
#include "gradus/theory/gaussian.hpp"
#include "gradus/theory/quadrature.hpp"

namespace gradus::theory {
namespace {

using activations::Function;
using std::numbers::pi;

// xx yy - xy^2, with what rounding loses of the products.
double determinant(const Covariance& c) {
  const double square = c.xy * c.xy, lost = std::fma(c.xy, c.xy, -square);
  return std::max(0.0, std::fma(c.xx, c.yy, -square) - lost);
}

// x above 0, a x below, is (1 + a)/2 x + (1 - a)/2 |x|; E |u| |v| is 2/pi (root + asin(c) xy), the mixed terms are 0.
double two_slopes(double a, const Covariance& c, int order) {
  const double root = std::sqrt(determinant(c)), up = (1 + a) / 2, bend = (1 - a) / 2;
  const double angle = std::atan2(c.xy, root);  // asin of the correlation
  if (order == 1) return up * up + bend * bend * 2 / pi * angle;
  return up * up * c.xy + bend * bend * 2 / pi * (root + angle * c.xy);
}

double gelu(const Covariance& c, int order) {
  const double r = c.xy, product = c.xx * c.yy, d = (1 + c.xx) * (1 + c.yy);
  const double rest = 1 + c.xx + c.yy + determinant(c), root = std::sqrt(rest);  // D - xy^2
  const double angle = std::atan2(r, root), bracket = product + r * r * (1 - product) / d;
  if (order == 0) return r / 4 + r * angle / (2 * pi) + bracket / (2 * pi * root);
  return 0.25 + angle / (2 * pi) + (r + 2 * r * (1 - product) / d + r * bracket / rest) / (2 * pi * root);
}

double erf(const Covariance& c, int order) {
  const double rest = 1 + 2 * c.xx + 2 * c.yy + 4 * determinant(c);
  return order == 0 ? 2 / pi * std::atan2(2 * c.xy, std::sqrt(rest)) : 4 / (pi * std::sqrt(rest));
}

std::optional<double> closed_form(const Function& f, const Covariance& c, int order) {
  if (order < 0 || order > 1) return std::nullopt;
  if (f.target<activations::Identity>()) return two_slopes(1, c, order);
  if (f.target<activations::ReLU>()) return two_slopes(0, c, order);
  if (const auto* leaky = f.target<activations::LeakyReLU>()) return two_slopes(leaky->slope, c, order);
  if (const auto* prelu = f.target<activations::PReLU>()) return two_slopes(prelu->slope, c, order);
  if (f.target<activations::GELU>()) return gelu(c, order);
  if (f.target<Erf>()) return erf(c, order);
  return std::nullopt;
}

struct PlaneRule {
  double value = 0, magnitude = 0;  // magnitude: of |f(u)| and |f(v)|, each integrated by itself
};

// The trapezoidal rule over a square of the plane (z1, z2): its error falls like e^(-const / step) for a function that
// is analytic in a strip, so half the step squares it. u = a z1, v = b z1 + w z2. The grid lies off the middle: on one
// that is symmetric, sums over half of the plane are right whatever the step, and f may look like relu from afar.
PlaneRule trapezoid(const Function& f, int order, double a, double b, double w, Index half_points, double step) {
  const Index n = 2 * half_points + 1;
  std::vector<double> z1(static_cast<std::size_t>(n)), z2(z1.size()), weight1(z1.size()), weight2(z1.size()),
      left(z1.size()), x(z1.size()), right(z1.size());
  for (std::size_t i = 0; i < z1.size(); ++i) {
    z1[i] = step * (double(Index(i) - half_points) + 0.31), z2[i] = step * (double(Index(i) - half_points) - 0.17);
    weight1[i] = step * normal_pdf(z1[i]), weight2[i] = step * normal_pdf(z2[i]);
    x[i] = a * z1[i];
  }
  f.evaluate(order, x.data(), left.data(), n);
  PlaneRule total;
  for (std::size_t i = 0; i < z1.size(); ++i) {
    for (std::size_t j = 0; j < z1.size(); ++j) x[j] = b * z1[i] + w * z2[j];
    f.evaluate(order, x.data(), right.data(), n);
    double inner = 0, size = 0;
    for (std::size_t j = 0; j < z1.size(); ++j) inner += weight2[j] * right[j], size += weight2[j] * std::abs(right[j]);
    total.value += weight1[i] * left[i] * inner;
    total.magnitude += weight1[i] * std::abs(left[i]) * size;
  }
  return total;
}

constexpr double reach = 10;  // of the trapezoidal rule, in deviations: e^-50 is left out

std::optional<double> by_trapezoid(const Function& f, int order, double a, double b, double w) {
  // Squared, not only divided by 8 or 16 as where the grid is too coarse to see that f is smooth.
  PlaneRule before = trapezoid(f, order, a, b, w, 20, reach / 20);
  double last = std::abs(before.value - trapezoid(f, order, a, b, w, 10, reach / 10).value);
  for (Index half_points = 40; half_points <= 640; half_points *= 2) {
    const PlaneRule now = trapezoid(f, order, a, b, w, half_points, reach / double(half_points));
    const double change = std::abs(now.value - before.value);
    if (change <= 1e-14 * now.magnitude || (change <= 1e-11 * now.magnitude && change <= 1e-3 * last)) return now.value;
    before = now, last = change;
  }
  return std::nullopt;
}

// E h(v) for v ~ N(mean, variance), h = f^(order).
double inner_expectation(const Function& f, int order, double mean, double variance) {
  const GaussianOptions options{.mean = mean, .variance = variance};
  if (order <= 1)
    if (const auto closed = closed_gaussian_moments(f, options)) return order == 0 ? closed->mean : closed->slope_mean;
  return gaussian_expectation([&](double x) { return f(order, x); }, options, f.traits().kinks);
}

double nested(const Function& f, int order, const Covariance& c, double rest) {
  const double slope = c.xy / c.xx;
  std::vector<double> cuts = f.traits().kinks;
  // Given u, v is slope u + sqrt(rest) z: a kink of f is smoothed over that width.
  for (const double kink : f.traits().kinks)
    for (const double z : {-8.0, -2.0, 0.0, 2.0, 8.0})
      if (slope != 0) cuts.push_back((kink + z * std::sqrt(rest)) / slope);
  const auto h = [&](double u) { return f(order, u) * inner_expectation(f, order, slope * u, rest); };
  return gaussian_expectation(h, {.variance = c.xx}, cuts);
}

// Whether f is smooth wherever the trapezoidal rule gives a weight that counts (beyond 9 deviations: e^-40).
bool smooth_within(const Function& f, double distance) {
  const std::vector<double>& kinks = f.traits().kinks;
  const bool far_off = std::all_of(kinks.begin(), kinks.end(), [&](double x) { return std::abs(x) > distance; });
  return f.traits().smooth || (!kinks.empty() && far_off);
}

void check(const Covariance& c) {
  const bool finite = std::isfinite(c.xx) && std::isfinite(c.yy) && std::isfinite(c.xy);
  if (!finite || c.xx < 0 || c.yy < 0 || c.xy * c.xy > c.xx * c.yy * (1 + 1e-12))
    failf("pair_expectation", "variances {} and {} with covariance {}; its square must not exceed their product", c.xx,
          c.yy, c.xy);
}

}  // namespace

double pair_expectation(const Function& f, const Covariance& c, int order) {
  check(c);
  if (const auto closed = closed_form(f, c, order)) return *closed;
  if (c.xx == 0 || c.yy == 0) {
    const double q = std::max(c.xx, c.yy);
    return f(order, 0) * (q == 0 ? f(order, 0) : inner_expectation(f, order, 0, q));
  }
  const double rest = determinant(c) / c.xx, slope = c.xy / c.xx;
  if (rest == 0) {
    std::vector<double> kinks = f.traits().kinks;
    for (const double kink : f.traits().kinks) kinks.push_back(kink / slope);
    return gaussian_expectation([&](double u) { return f(order, u) * f(order, slope * u); }, {.variance = c.xx}, kinks);
  }
  if (smooth_within(f, 0.9 * reach * std::sqrt(std::max(c.xx, c.yy))))
    if (const auto value = by_trapezoid(f, order, std::sqrt(c.xx), c.xy / std::sqrt(c.xx), std::sqrt(rest)))
      return *value;
  return nested(f, order, c, rest);
}

double pair_expectation(std::string_view activation, const Covariance& covariance, int order) {
  return pair_expectation(activations::activation(activation), covariance, order);
}

NeuralKernels neural_kernels(const Function& f, const Covariance& inputs, const NeuralKernelOptions& options) {
  if (options.depth < 0) failf("neural_kernels", "a depth of {}; it must not be negative", options.depth);
  if (!(options.weight_variance >= 0) || !(options.bias_variance >= 0) || !std::isfinite(options.weight_variance) ||
      !std::isfinite(options.bias_variance))
    failf("neural_kernels", "variances {} of the weights and {} of the biases; neither may be negative or infinite",
          options.weight_variance, options.bias_variance);
  check(inputs);
  Covariance k = inputs;
  double ntk = inputs.xy;
  const auto next = [&](double expectation) { return options.weight_variance * expectation + options.bias_variance; };
  for (int layer = 0; layer < options.depth; ++layer) {
    const double slopes = options.weight_variance * pair_expectation(f, k, 1);
    const double xy = next(pair_expectation(f, k));
    const bool same = k.xx == k.yy;
    const double xx = k.xy == k.xx && same ? xy : next(pair_expectation(f, {k.xx, k.xx, k.xx}));
    const double yy = same ? xx : next(pair_expectation(f, {k.yy, k.yy, k.yy}));
    k = {xx, yy, std::clamp(xy, -std::sqrt(xx * yy), std::sqrt(xx * yy))};
    ntk = k.xy + ntk * slopes;
  }
  return {k.xy, ntk};
}

NeuralKernels neural_kernels(std::string_view activation, const Covariance& inputs,
                             const NeuralKernelOptions& options) {
  return neural_kernels(activations::activation(activation), inputs, options);
}

std::vector<double> circle_spectrum(const std::function<double(double)>& kernel_of_cosine, int highest) {
  if (highest < 0) failf("circle_spectrum", "the highest frequency asked for is {}; it must not be negative", highest);
  static const GaussLegendre rule(20);
  const int panels = 8 + highest / 4;  // at most two turns of the fastest cosine in each
  std::vector<double> spectrum(std::size_t(highest) + 1);
  for (int panel = 0; panel < panels; ++panel)
    for (std::size_t i = 0; i < rule.nodes.size(); ++i) {
      const double theta = pi * (panel + 0.5 * (1 + rule.nodes[i])) / panels;
      const double value = rule.weights[i] / (2 * panels) * kernel_of_cosine(std::cos(theta));
      for (int m = 0; m <= highest; ++m) spectrum[std::size_t(m)] += value * std::cos(m * theta);
    }
  return spectrum;
}

double gelu_spectral_ratio(double q) {
  if (!(q > 0) || !std::isfinite(q))
    failf("gelu_spectral_ratio", "a variance of {}; it must be positive and finite", q);
  const double z = (1 + q) / q;
  return z - std::sqrt(z * z - 1);
}

}  // namespace gradus::theory
