#include "gradus/nn/adaptive_elu.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/ops/activation.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {

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
