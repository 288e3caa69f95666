#include "gradus/models/elu_flow.hpp"

#include <cmath>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/models/mlp.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::models {
namespace {

nn::Sequential made_conditioner(Index features, const EluCouplingOptions& options) {
  if (features < 2)
    failf("EluCoupling", "{} features; at least 2 are needed, one to change and one to depend on", features);
  for (const Index hidden : options.hidden)
    if (hidden < 1) failf("EluCoupling", "a hidden width of {}; it must be at least 1", hidden);
  nn::Sequential net = mlp(features / 2, features - features / 2, {.hidden = options.hidden, .activation = options.activation});
  const std::vector<Tensor> parameters = net.parameters();
  const NoGrad no_grad;
  for (std::size_t last = parameters.size() - 2; last < parameters.size(); ++last) Tensor(parameters[last]).zero_();
  return net;
}

// log((ELU(x) + alpha) / alpha)
Tensor log_above(const Tensor& x, double alpha) {
  return where(x < 0.0, x, log1p(maximum(x, 0.0) / alpha));
}

// The inverse: x with log_above(x) = w.
Tensor from_log_above(const Tensor& w, double alpha) {
  return where(w < 0.0, w, alpha * expm1(maximum(w, 0.0)));
}

// The logarithm of the slope of log_above: 1 below 0, 1 / (alpha + x) above.
Tensor log_slope(const Tensor& x, double alpha) {
  return where(x < 0.0, zeros_like(x), -log(maximum(x, 0.0) + alpha));
}

}  // namespace

EluCoupling::EluCoupling(Index features, const Options& options)
    : conditioner(made_conditioner(features, options)),
      features_(features),
      bound_(options.bound),
      alpha_(options.alpha) {
  if (!(bound_ > 0) || !std::isfinite(bound_))
    failf("EluCoupling", "the bound of the log scale is {}; it must be above 0 and finite", bound_);
  if (!(alpha_ > 0) || !std::isfinite(alpha_))
    failf("EluCoupling", "alpha is {}; it must be above 0 and finite", alpha_);
}

nn::FlowForward EluCoupling::move(const char* operation, const Tensor& x, double sign) {
  if (x.dim() != 2 || x.size(1) != features_)
    failf(operation, "the input has shape {}; it must be (N, {})", x.shape(), features_);
  const std::vector<Tensor> parts = split(x, {features_ / 2, features_ - features_ / 2}, 1);
  const Tensor r = bound_ * tanh(conditioner(parts[0]) / bound_);
  const Tensor y = from_log_above(log_above(parts[1], alpha_) + sign * r, alpha_);
  return {cat({parts[0], y}, 1), sum(log_slope(parts[1], alpha_) - log_slope(y, alpha_), {.axes = {1}})};
}

nn::FlowForward EluCoupling::forward_and_log_det(const Tensor& x) { return move("EluCoupling", x, 1); }

nn::FlowInverse EluCoupling::inverse(const Tensor& y) {
  const auto [x, log_det] = move("EluCoupling::inverse", y, -1);
  return {x, log_det};
}

nn::FlowSequence elu_flow(Index features, const EluFlowOptions& options) {
  if (options.blocks < 1) failf("elu_flow", "{} blocks; at least 1 is needed", options.blocks);
  nn::FlowSequence flow;
  for (Index i = 0; i < options.blocks; ++i) {
    if (i > 0)
      flow.push_back(options.generator ? nn::Permutation::random(features, *options.generator)
                                       : nn::Permutation::reversal(features));
    flow.push_back(nn::AffineCoupling{
        features, {.hidden = options.hidden, .activation = options.activation, .bound = options.bound}});
    flow.push_back(EluCoupling{features, {.hidden = options.hidden,
                                          .activation = options.activation,
                                          .bound = options.bound,
                                          .alpha = options.alpha}});
  }
  return flow;
}

}  // namespace gradus::models
