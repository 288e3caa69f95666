#include "gradus/nn/adaptive_elu.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/ops/activation.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {
namespace {

// e^(x^2) erfc(x) for x >= 0. Beyond 25 the asymptotic series 1 / (x sqrt(pi)) (1 - 1/(2x^2) + 3/(4x^4) - ...)
// (Abramowitz and Stegun 7.1.23), cut where its terms are below the precision.
double scaled_erfc(double x) {
  if (x < 25) return std::exp(x * x) * std::erfc(x);
  double term = 1, total = 1;
  for (int n = 1; n <= 6; ++n) total += term *= -(2 * n - 1) / (2 * x * x);
  return total / (x * std::sqrt(std::numbers::pi));
}

// E[e^(k X); X < 0] e^(m^2 / 2) for t = m + k s >= 0. As k mean + k^2 s^2 / 2 = (t^2 - m^2) / 2, this is
// e^(t^2 / 2) Phi(-t), which neither over- nor underflows.
double scaled_tail(double t) { return scaled_erfc(t / std::numbers::sqrt2) / 2; }

// The same without the factor: E[e^(k X); X < 0].
double tail(double m, double k_s) {
  const double t = m + k_s;
  if (t >= 0) return std::exp(-m * m / 2) * scaled_tail(t);
  return std::exp(k_s * (m + k_s / 2)) * std::erfc(t / std::numbers::sqrt2) / 2;
}

double alpha_for(EluCondition condition, double mean, double variance) {
  const double s = std::sqrt(variance), m = mean / s;
  // For m >= 0 all tails have the factor e^(-m^2 / 2), which cancels from their ratios.
  const bool scaled = m >= 0;
  const auto tail_of = [&](double k) { return scaled ? scaled_tail(m + k * s) : tail(m, k * s); };
  switch (condition) {
    case EluCondition::unit_slope:
      return tail_of(0) / tail_of(1);
    case EluCondition::unit_squared_slope:
      return std::sqrt(tail_of(0) / tail_of(2));
    case EluCondition::zero_mean:
      break;
  }
  // E[X; X > 0] = s (phi(m) + m Phi(m)) = s phi(m) (1 + m Phi(m) / phi(m)): for m < 0 the two terms cancel, and with
  // r = Phi(m) / phi(m) it is 1 - |m| r, which for large |m| is 1/m^2 - 3/m^4 + 15/m^6 - 105/m^8 + ...
  const double density = std::exp(-m * m / 2) / std::sqrt(2 * std::numbers::pi);
  double positive = mean * std::erfc(-m / std::numbers::sqrt2) / 2 + s * density;
  if (m < -25) {
    const double q = 1 / (m * m);
    positive = s * density * q * (1 - q * (3 - q * (15 - q * (105 - q * 945))));
  }
  // E[1 - e^X; X < 0], times e^(m^2 / 2) if scaled. Near 0 the two terms cancel, and 1 - e^X is -X - X^2 / 2 + ...,
  // with E[X; X < 0] = s (m Phi(-m) - phi(m)) and E[X^2; X < 0] = s^2 ((1 + m^2) Phi(-m) - m phi(m)).
  double negative = tail_of(0) - tail_of(1);
  if (std::abs(mean) + s < 1e-5) {
    const double phi = scaled ? 1 / std::sqrt(2 * std::numbers::pi) : density;
    negative = s * (phi - m * tail_of(0)) - variance / 2 * ((1 + m * m) * tail_of(0) - m * phi);
  }
  return scaled ? positive * std::exp(m * m / 2) / negative : positive / negative;
}

}  // namespace

double adaptive_elu_alpha(EluCondition condition, double mean, double variance) {
  if (!std::isfinite(mean) || !(variance > 0) || !std::isfinite(variance))
    failf("adaptive_elu_alpha", "N({}, {}): both must be finite, the variance positive", mean, variance);
  return alpha_for(condition, mean, variance);
}

LearnedELU::LearnedELU(Index channels, const Options& options) {
  if (channels < 1) failf("LearnedELU", "{} channels; at least 1 is needed", channels);
  if (!(options.alpha > 0) || !std::isfinite(options.alpha))
    failf("LearnedELU", "alpha is {}; it must be positive and finite", options.alpha);
  // log(e^alpha - 1), the inverse of softplus, without overflow.
  const double raw = options.alpha + std::log(-std::expm1(-options.alpha));
  raw_alpha = full({channels}, raw, {.requires_grad = true});
}

Tensor LearnedELU::alpha() const { return softplus(raw_alpha); }

// elu(x) has the sign of x, so that the slope of prelu meets its negative part: alpha (e^x - 1).
Tensor LearnedELU::forward(const Tensor& x) {
  const Index channels = raw_alpha.numel();
  if (channels > 1 && (x.dim() == 0 || x.size(x.dim() == 1 ? 0 : 1) != channels))
    failf("LearnedELU", "the input has shape {}; it must be (N, {}, ...)", x.shape(), channels);
  return prelu(elu(x), alpha());
}

StatisticsELU::StatisticsELU(Index channels, const Options& options) : options_(options) {
  if (channels < 1) failf("StatisticsELU", "{} channels; at least 1 is needed", channels);
  if (!(options.momentum >= 0 && options.momentum <= 1))
    failf("StatisticsELU", "momentum is {}; it must lie in [0, 1]", options.momentum);
  if (!(options.eps > 0)) failf("StatisticsELU", "eps is {}; it must be positive", options.eps);
  if (!(options.max_alpha > 0)) failf("StatisticsELU", "max_alpha is {}; it must be positive", options.max_alpha);
  running_mean = zeros({channels});
  running_var = ones({channels});
}

Tensor StatisticsELU::alpha() const {
  const std::vector<double> mean = to_vector<double>(running_mean.to(float64));
  const std::vector<double> variance = to_vector<double>(running_var.to(float64));
  std::vector<double> alphas(mean.size());
  for (std::size_t i = 0; i < alphas.size(); ++i) {
    const double v = variance[i] + options_.eps;
    alphas[i] = std::isfinite(mean[i]) && std::isfinite(v)
                    ? std::min(adaptive_elu_alpha(options_.condition, mean[i], v), options_.max_alpha)
                    : std::numeric_limits<double>::quiet_NaN();
  }
  return from_vector(alphas).to(running_mean.dtype());
}

Tensor StatisticsELU::forward(const Tensor& x) {
  const Index channels = running_mean.numel();
  check_floating("StatisticsELU", x);
  if (channels > 1 && (x.dim() < 2 || x.size(1) != channels))
    failf("StatisticsELU", "the input has shape {}; it must be (N, {}, ...)", x.shape(), channels);
  if (training() && x.numel() > 0) {
    const NoGrad no_grad;
    std::vector<Index> axes;
    for (Index axis = 0; axis < x.dim(); ++axis)
      if (channels == 1 || axis != 1) axes.push_back(axis);
    const auto follow = [&](Tensor& running, const Tensor& batch) {
      running.mul_(1 - options_.momentum).add_(batch.reshape({channels}).to(running.dtype()), options_.momentum);
    };
    follow(running_mean, x.mean({.axes = axes}));
    follow(running_var, x.var({.axes = axes, .correction = 0}));
  }
  return prelu(elu(x), alpha().to(x.dtype()));
}

void StatisticsELU::visit(Visitor& v) {
  v.buffer("running_mean", running_mean);
  v.buffer("running_var", running_var);
}

}  // namespace gradus::nn
