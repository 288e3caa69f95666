#include "gradus/theory/residual.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "gradus/core/format.hpp"
#include "gradus/theory/gaussian.hpp"
#include "gradus/theory/quadrature.hpp"

namespace gradus::theory {

ResidualStack residual_stack(const activations::Function& f, int blocks, const ResidualOptions& options) {
  if (blocks < 0) failf("residual_stack", "{} blocks; the number must not be negative", blocks);
  (void)residual_gain(f, options);  // checks them, without blocks too
  ResidualStack stack{.variance = {options.variance}, .gain = 1};
  for (int block = 0; block < blocks; ++block) {
    ResidualOptions here = options;
    here.variance = stack.variance.back();
    stack.gain *= residual_gain(f, here);
    stack.variance.push_back(here.variance +
                             variance_map(f, here.variance, {.weight_variance = options.first * options.second}));
  }
  return stack;
}

ResidualStack pre_norm_stack(const activations::Function& f, int blocks, const ResidualOptions& options) {
  if (blocks < 0) failf("pre_norm_stack", "{} blocks; the number must not be negative", blocks);
  if (options.width != 0) failf("pre_norm_stack", "a width of {}; only 0, for infinite, is possible", options.width);
  if (!(options.first > 0)) failf("pre_norm_stack", "a variance sigma_1^2 of {}; it must be positive", options.first);
  (void)residual_gain(f, options);
  ResidualStack stack{.variance = {options.variance}, .gain = 1};
  const double growth = options.first * variance_map(f, options.first, {.weight_variance = options.second});
  for (int block = 0; block < blocks; ++block) {
    const double v = stack.variance.back() / options.first;
    stack.gain *= residual_gain(f, {.first = options.first, .second = options.second / v, .variance = options.first});
    stack.variance.push_back(stack.variance.back() + growth);
  }
  return stack;
}

double residual_geometric_gain(const activations::Function& f, const ResidualOptions& options) {
  ResidualOptions wide = options;
  wide.width = 0;
  const double radius = residual_gain(f, wide) - 1;
  if (radius > 1)
    failf("residual_geometric_gain", "sigma_1^2 sigma_2^2 E f'^2 is {} for {}; it must not exceed 1", radius, f.name());
  return 1;
}

double identity_path_gain(const activations::Function& f, int blocks, const GaussianOptions& sums) {
  if (blocks < 0) failf("identity_path_gain", "{} blocks; the number must not be negative", blocks);
  return std::pow(gaussian_moments(f, sums).slope_second, 0.5 * blocks);
}

namespace {

struct Rule {
  std::vector<double> nodes, weights;
};

// Twelve points on every unit interval, cut where f is not smooth: exact to rounding for the unit Gaussian times a smooth function.
Rule unit_panels(double low, double high, const std::vector<double>& kinks) {
  std::vector<double> cuts{low};
  for (double cut = std::floor(low) + 1; cut < high; ++cut) cuts.push_back(cut);
  cuts.push_back(high);
  for (const double kink : kinks)
    if (low < kink && kink < high) cuts.push_back(kink);
  std::sort(cuts.begin(), cuts.end());
  const GaussLegendre panel(12);
  Rule rule;
  for (std::size_t c = 0; c + 1 < cuts.size(); ++c)
    for (std::size_t i = 0; i < panel.nodes.size(); ++i) {
      const double half = 0.5 * (cuts[c + 1] - cuts[c]);
      rule.nodes.push_back(cuts[c] + half * (1 + panel.nodes[i]));
      rule.weights.push_back(half * panel.weights[i]);
    }
  return rule;
}

}  // namespace

PostActivationStream post_activation_stream(const activations::Function& f, int blocks) {
  if (blocks < 0) failf("post_activation_stream", "{} blocks; the number must not be negative", blocks);
  // A random walk's sums have a deviation of sqrt(blocks + 1); no sum is far below the least value of f.
  const double high = 10 + 8 * std::sqrt(blocks + 1.0);
  double least = high;
  for (double s = -high; s <= high; s += 0.125) least = std::min(least, f(s));
  const Rule rule = unit_panels(std::max(-high, least - 10), high, f.traits().kinks);
  const std::size_t n = rule.nodes.size();
  std::vector<double> value(n), squared_slope(n), step(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    value[i] = f(rule.nodes[i]);
    squared_slope[i] = f(1, rule.nodes[i]) * f(1, rule.nodes[i]);
    for (std::size_t j = 0; j < n; ++j) step[i * n + j] = normal_pdf(rule.nodes[j] - value[i]) * rule.weights[j];
  }
  // p: the law of the sum. h: from each sum on, the mean gain of the sums that follow.
  std::vector<double> p(n), h(n, 1.0), next(n), start(n);
  for (std::size_t i = 0; i < n; ++i) start[i] = p[i] = normal_pdf(rule.nodes[i]) * rule.weights[i];
  PostActivationStream stream;
  for (int k = 0; k <= blocks; ++k) {
    double mass = 0, mean = 0, second = 0, negative = 0, gain = 0;
    for (std::size_t i = 0; i < n; ++i) {
      mass += p[i];
      mean += p[i] * value[i];
      second += p[i] * value[i] * value[i];
      if (rule.nodes[i] < 0) negative += p[i];
      gain += start[i] * h[i];
    }
    if (!(std::abs(mass - 1) < 1e-10))
      failf("post_activation_stream", "with {} the stream grows faster than a random walk, beyond {} after {} blocks", f.name(), high, k);
    stream.mean.push_back(mean);
    stream.second.push_back(second);
    stream.identity_gain.push_back(gain);
    if (k > 0) stream.negative.push_back(negative);
    if (k == blocks) break;
    std::fill(next.begin(), next.end(), 0.0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) next[j] += p[i] * step[i * n + j];
    p.swap(next);
    for (std::size_t i = 0; i < n; ++i) {
      next[i] = 0;
      for (std::size_t j = 0; j < n; ++j) next[i] += step[i * n + j] * squared_slope[j] * h[j];
    }
    h.swap(next);
  }
  return stream;
}

}  // namespace gradus::theory
