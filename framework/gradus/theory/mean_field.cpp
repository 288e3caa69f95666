#include "gradus/theory/mean_field.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "gradus/core/format.hpp"
#include "gradus/theory/gaussian.hpp"
#include "gradus/theory/kernels.hpp"
#include "gradus/theory/lipschitz.hpp"
#include "gradus/theory/moments.hpp"

namespace gradus::theory {
namespace {

using activations::Function;

double expectation(const Function& f, double q, const std::function<double(double)>& h) {
  return gaussian_expectation(h, {.variance = q}, f.traits().kinks);
}
double second_moment(const Function& f, double q) {
  return expectation(f, q, [&](double x) { return f(x) * f(x); });
}
double squared_slope(const Function& f, double q) {
  return expectation(f, q, [&](double x) { return f(1, x) * f(1, x); });
}
// E[f f' X] / q = d/dq E f^2.
double second_moment_slope(const Function& f, double q) {
  return expectation(f, q, [&](double x) { return f(x) * f(1, x) * x; }) / q;
}

void check(const char* operation, const LayerVariances& layer) {
  if (!(layer.weight_variance >= 0) || !(layer.bias_variance >= 0) || !std::isfinite(layer.weight_variance) ||
      !std::isfinite(layer.bias_variance))
    failf(operation, "variances {} of the weights and {} of the biases; neither may be negative or infinite",
          layer.weight_variance, layer.bias_variance);
}

void check_correlation(const char* operation, double c) {
  if (!(std::abs(c) <= 1)) failf(operation, "a correlation of {}; it must be between -1 and 1", c);
}

// The zero of h between a and b, where it has different signs.
double bisect(const std::function<double(double)>& h, double a, double b) {
  const bool rising = h(a) < 0;
  for (;;) {
    const double middle = 0.5 * (a + b);
    if (middle <= a || middle >= b) return middle;
    ((h(middle) < 0) == rising ? a : b) = middle;
  }
}

}  // namespace

double variance_map(const Function& f, double q, const LayerVariances& layer) {
  check("variance_map", layer);
  return layer.weight_variance * second_moment(f, q) + layer.bias_variance;
}

double variance_slope(const Function& f, double q, const LayerVariances& layer) {
  check("variance_slope", layer);
  return layer.weight_variance * second_moment_slope(f, q);
}

std::vector<double> variance_trajectory(const Function& f, double q, int layers, const LayerVariances& layer) {
  if (layers < 0) failf("variance_trajectory", "{} layers; the number must not be negative", layers);
  check("variance_trajectory", layer);
  if (!(q > 0) || !std::isfinite(q))
    failf("variance_trajectory", "a variance of {} to start from; it must be positive and finite", q);
  std::vector<double> variances{q};
  for (int l = 0; l < layers; ++l) {
    const bool over = l > 0 && (q == 0 || !std::isfinite(q));
    const double next = over ? q : variance_map(f, q, layer);
    // Squares beyond all numbers, times a density of 0, are NaN.
    q = std::isnan(next) && q > 1e150 ? std::numeric_limits<double>::infinity() : next;
    variances.push_back(q);
  }
  return variances;
}

std::vector<WidthSpread> finite_width_trajectory(const Function& f, double q, int layers, const LayerVariances& layer,
                                                 Index width) {
  if (width < 1) failf("finite_width_trajectory", "a width of {}", width);
  const std::vector<double> variances = variance_trajectory(f, q, layers, layer);
  std::vector<WidthSpread> found{{q, 0}};
  double bias = 0, squared = 0;
  for (int l = 0; l < layers; ++l) {
    const double v = variances[std::size_t(l)];
    if (v > 0 && std::isfinite(v)) {
      const double second = second_moment(f, v), slope = variance_slope(f, v, layer), step = 1e-4 * v;
      const double bend = (variance_slope(f, v + step, layer) - variance_slope(f, v - step, layer)) / (2 * step);
      const double fourth = expectation(f, v, [&](double x) { return std::pow(f(x), 4); });
      const double noise = layer.weight_variance * layer.weight_variance * (fourth - second * second) / double(width);
      bias = slope * bias + 0.5 * bend * squared;
      squared = slope * slope * squared + noise;
    }
    found.push_back({variances[std::size_t(l + 1)] + bias, std::sqrt(squared)});
  }
  return found;
}

VarianceFixedPoints variance_fixed_points(const Function& f, const LayerVariances& layer, const VarianceRange& range) {
  check("variance_fixed_points", layer);
  if (!(range.lowest > 0) || !(range.highest > range.lowest) || !std::isfinite(range.highest))
    failf("variance_fixed_points", "the range from {} to {} is none of positive variances", range.lowest,
          range.highest);
  const auto excess = [&](double q) {
    const double e = variance_map(f, q, layer) / q - 1;
    return std::abs(e) < 1e-14 ? 0 : e;  // rounding
  };
  const int steps = 1 + int(20 * std::log10(range.highest / range.lowest));
  VarianceFixedPoints found;
  found.everywhere = true;
  const auto add = [&](double q) {
    const double slope = variance_slope(f, q, layer);
    found.points.push_back({q, slope, std::abs(slope) < 1});
  };
  double before_q = range.lowest, before = excess(before_q);
  if (before == 0) add(before_q);
  found.everywhere = before == 0;
  for (int i = 1; i <= steps; ++i) {
    const double q = range.lowest * std::pow(range.highest / range.lowest, double(i) / steps), now = excess(q);
    if (now == 0)
      add(q);
    else if (before * now < 0)
      add(bisect([&](double x) { return variance_map(f, x, layer) - x; }, before_q, q));
    found.everywhere = found.everywhere && now == 0;
    before_q = q, before = now;
  }
  if (found.everywhere) found.points.clear();
  return found;
}

double correlation_map(const Function& f, double c, double q, const LayerVariances& layer) {
  check("correlation_map", layer);
  check_correlation("correlation_map", c);
  const double covariance = layer.weight_variance * pair_expectation(f, {q, q, c * q}) + layer.bias_variance;
  return covariance / variance_map(f, q, layer);
}

double correlation_slope(const Function& f, double c, double q, const LayerVariances& layer) {
  check("correlation_slope", layer);
  check_correlation("correlation_slope", c);
  return layer.weight_variance * q * pair_expectation(f, {q, q, c * q}, 1) / variance_map(f, q, layer);
}

FixedPoint correlation_fixed_point(const Function& f, double q, const LayerVariances& layer) {
  const double at_one = correlation_slope(f, 1, q, layer);
  // C is a power series in c with positive coefficients (of f's Hermite expansion), so convex on [0, 1]: besides 1
  // there is at most one fixed point, below 1 exactly when C'(1) > 1.
  if (at_one <= 1 + 1e-12) return {1, at_one, at_one < 1};
  const auto excess = [&](double c) { return correlation_map(f, c, q, layer) - c; };
  double c = 0;
  if (excess(0) > 1e-14) {
    // Near 1 the excess is (at_one - 1)(c - 1), and rounding: begin where it is seen.
    double gap = 1e-9;
    while (gap < 0.25 && excess(1 - gap) >= 0) gap *= 4;
    c = bisect(excess, 0, 1 - gap);
  }
  const double slope = correlation_slope(f, c, q, layer);
  return {c, slope, std::abs(slope) < 1};
}

double chi_1(const Function& f, double q, const LayerVariances& layer) {
  check("chi_1", layer);
  return layer.weight_variance * squared_slope(f, q);
}

double depth_scale(double slope) {
  if (std::isnan(slope)) failf("depth_scale", "a slope of {}", slope);
  const double rate = -std::log(std::abs(slope));
  return rate == 0 ? std::numeric_limits<double>::infinity() : 1 / rate;
}

LayerVariances variance_preserving(const Function& f, double q) {
  return {.weight_variance = preserving_weight_variance(f, {.variance = q})};
}

LayerVariances critical_initialisation(const Function& f, double q) {
  const double slope = squared_slope(f, q);
  if (!(slope > 0)) failf("critical_initialisation", "{} has no slope under N(0, {})", f.name(), q);
  const double weight = 1 / slope, bias = q - weight * second_moment(f, q);
  if (bias < -1e-14 * q)
    failf("critical_initialisation",
          "{} at variance {}: weights of variance {} preserve gradients and lift signals by {}, which no bias can take "
          "back",
          f.name(), q, weight, -bias);
  return {weight, std::max(0.0, bias)};
}

LayerVariances with_preserving_bias(const Function& f, double weight_variance, double q) {
  const LayerVariances layer{weight_variance, 0};
  const double bias = q - variance_map(f, q, layer);
  if (bias < -1e-14 * q)
    failf("with_preserving_bias", "weights of variance {} lift the variance {} by {} already; {} allows {} at most",
          weight_variance, q, -bias, f.name(), variance_preserving(f, q).weight_variance);
  return {weight_variance, std::max(0.0, bias)};
}

double stable_weight_variance_limit(const Function& f, double q) {
  const double slope = second_moment_slope(f, q), most = variance_preserving(f, q).weight_variance;
  return slope > 0 ? std::min(most, 1 / slope) : most;
}

double gradient_gain(const Function& f, double q, int layers, const LayerVariances& layer) {
  if (layers < 1) failf("gradient_gain", "{} layers; at least 1 is needed", layers);
  check("gradient_gain", layer);
  if (!(q > 0) || !std::isfinite(q)) failf("gradient_gain", "a variance of {}; it must be positive and finite", q);
  double gain = 1;
  for (int l = 1; l < layers && gain > 0 && std::isfinite(gain); ++l) {
    gain *= chi_1(f, q, layer);
    if (l + 1 == layers) break;
    // A variance that leaves the range of numbers stays at its end, where E f'^2 has reached its limit.
    const double next = variance_map(f, q, layer);
    q = std::isfinite(next) || q < 1e150 ? std::clamp(next, 1e-300, 1e300) : 1e300;
  }
  return gain;
}

double gain_fluctuation(const Function& f, double q) {
  const double square = squared_slope(f, q);
  const double fourth = expectation(f, q, [&](double x) { return std::pow(f(1, x), 4); });
  return 3 * fourth / (square * square) - 1;
}

RecurrentFactors recurrent_factors(const Function& f, double weight_deviation, double mean, double variance) {
  if (!(weight_deviation >= 0) || !std::isfinite(weight_deviation))
    failf("recurrent_factors", "a deviation of {}; it must be finite and not negative", weight_deviation);
  const Moments m = gaussian_moments(f, {.mean = mean, .variance = variance});
  return {weight_deviation * std::sqrt(m.slope_second), 2 * weight_deviation, m.slope_mean,
          2 * weight_deviation * lipschitz_constant(f).value};
}

double residual_gain(const Function& f, const ResidualOptions& options) {
  if (!(options.first >= 0) || !(options.second >= 0) || !std::isfinite(options.first) ||
      !std::isfinite(options.second) || options.width < 0)
    failf("residual_gain", "variances {} and {}, width {}; none may be negative or infinite", options.first,
          options.second, options.width);
  const double q = options.variance, m2 = squared_slope(f, q);
  double slopes = m2;
  if (options.width > 0) {
    const double m2z = expectation(f, q, [&](double x) { return f(1, x) * f(1, x) * x * x; }) / q;
    slopes += (m2z - m2) / double(options.width);
  }
  return 1 + options.first * options.second * slopes;
}

BlockGains feed_forward_gains(const Function& f, double q) { return {second_moment(f, q) / q, squared_slope(f, q)}; }

BlockGains gated_gains(const Function& gate, double q) {
  const double second = second_moment(gate, q);
  return {second, q * squared_slope(gate, q) + second};
}

Index gated_width(Index hidden) {
  if (hidden < 1 || hidden * 2 % 3 != 0)
    failf("gated_width", "no gated block has the weights of a hidden width of {}: 2 h / 3 must be whole", hidden);
  return hidden * 2 / 3;
}

DropoutMoments dropout_moments(const Function& f, double keep, double q) {
  if (!(keep > 0 && keep <= 1))
    failf("dropout_moments", "a chance of {} to be kept; it must be above 0, at most 1", keep);
  const Moments m = gaussian_moments(f, {.variance = q});
  return {keep * m.mean, keep * m.second, m.mean, m.second / keep - m.mean * m.mean};
}

GateMoments gaussian_gate_moments(double x) {
  if (!std::isfinite(x)) failf("gaussian_gate_moments", "an input of {}", x);
  const double open = normal_cdf(x);
  return {x * open, x * x * open * normal_cdf(-x)};
}

double layer_norm_covariance(Index n) {
  if (n < 2) failf("layer_norm_covariance", "{} inputs; at least 2 are needed", n);
  return -1 / double(n - 1);
}

}  // namespace gradus::theory
