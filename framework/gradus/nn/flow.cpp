#include "gradus/nn/flow.hpp"

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/index.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {
namespace {

const ReduceOptions per_sample{.axes = {1}};

// features = 0: any number.
void check_input(const char* operation, const Tensor& x, Index features = 0) {
  check_floating(operation, x);
  if (x.dim() != 2 || (features != 0 && x.size(1) != features))
    failf(operation, "the input has shape {}; it must be (N, {})", x.shape(),
          features == 0 ? "D" : std::to_string(features));
}

Index checked_features(const char* operation, Index features, Index least) {
  if (features < least) failf(operation, "{} features; at least {} are needed", features, least);
  return features;
}

template <class T>
void check_above(const char* operation, const Tensor& y, double alpha) {
  const T* values = y.data<T>();
  const Index columns = y.size(1);
  const T low = static_cast<T>(-alpha);
  for (Index i = 0; i < y.numel(); ++i)
    if (!(values[i] > low))  // NaN as well
      failf(operation,
            "the value {} (sample {}, feature {}) is outside of the range ({}, inf) of ELU with alpha = {}; nothing is "
            "mapped there. Hint: shift or scale with an Affine, or use a larger alpha",
            values[i], i / columns, i % columns, -alpha, alpha);
}

// From x (N, D), or from what the inverse gave for y.
Tensor elu_log_det(const Tensor& x, const Tensor& below, double alpha) {
  Tensor log_slope = minimum(x, 0.0);
  if (alpha != 1) log_slope = log_slope + below * std::log(alpha);
  return sum(log_slope, per_sample);
}

FlowForward elu_forward(const char* operation, const Tensor& x, double alpha) {
  check_input(operation, x);
  return {elu(x, alpha), elu_log_det(x, x < 0.0, alpha)};
}

FlowInverse elu_inverse(const char* operation, const Tensor& y, double alpha) {
  check_input(operation, y);
  if (y.dtype() == float32)
    check_above<float>(operation, y, alpha);
  else
    check_above<double>(operation, y, alpha);
  const Tensor x = where(y > 0.0, y, log1p(minimum(y, 0.0) / alpha));
  return {x, -elu_log_det(x, y < 0.0, alpha)};
}

Index checked_split(Index features, const AffineCouplingOptions& options) {
  checked_features("AffineCoupling", features, 2);
  const Index split = options.split.value_or(features / 2);
  if (split < 1 || split >= features)
    failf("AffineCoupling", "{} of {} features are passed on; at least 1 must be, and at least 1 must be left", split,
          features);
  if (!(options.bound > 0) || !std::isfinite(options.bound))
    failf("AffineCoupling", "the bound of the log scale is {}; it must be above 0 and finite", options.bound);
  return split;
}

Sequential made_conditioner(Index features, const AffineCouplingOptions& options) {
  const Index split = checked_split(features, options);
  Sequential net;
  Index width = split;
  for (const Index hidden : options.hidden) {
    if (hidden < 1) failf("AffineCoupling", "a hidden width of {}; it must be at least 1", hidden);
    net.push_back(Linear{width, hidden});
    net.push_back(activation(options.activation));
    width = hidden;
  }
  Linear last{width, 2 * (features - split)};
  const NoGrad no_grad;
  last.weight.zero_();
  last.bias.zero_();
  net.push_back(std::move(last));
  return net;
}

// The inverse permutation; throws unless `order` is one. Loading a state can change it at any time.
Tensor inverse_order(const char* operation, const Tensor& order) {
  const Index features = order.numel();
  const Index* from = order.data<Index>();
  std::vector<Index> to(static_cast<std::size_t>(features), -1);
  for (Index j = 0; j < features; ++j) {
    if (from[j] < 0 || from[j] >= features || to[static_cast<std::size_t>(from[j])] != -1)
      failf(operation, "{} at place {} of the order is {}; it must hold 0 to {}, each once", from[j], j,
            from[j] < 0 || from[j] >= features ? "out of range" : "there already", features - 1);
    to[static_cast<std::size_t>(from[j])] = j;
  }
  return from_vector(to);
}

Flow& as_flow(AnyModule& module) { return static_cast<Flow&>(*module); }

}  // namespace

ELUFlow::ELUFlow(double alpha) : alpha_(alpha) {
  if (!(alpha > 0) || !std::isfinite(alpha))
    failf("ELUFlow", "alpha is {}; it must be above 0 and finite, else ELU has no inverse", alpha);
}

FlowForward ELUFlow::forward_and_log_det(const Tensor& x) { return elu_forward("ELUFlow", x, alpha_); }

FlowInverse ELUFlow::inverse(const Tensor& y) { return elu_inverse("ELUFlow::inverse", y, alpha_); }

FlowForward InverseELUFlow::forward_and_log_det(const Tensor& x) {
  auto [y, log_det] = elu_inverse("InverseELUFlow", x, alpha());
  return {y, log_det};
}

FlowInverse InverseELUFlow::inverse(const Tensor& y) {
  auto [x, log_det] = elu_forward("InverseELUFlow::inverse", y, alpha());
  return {x, log_det};
}

Affine::Affine(Index features)
    : log_scale(zeros({checked_features("Affine", features, 1)}, {.requires_grad = true})),
      shift(zeros({features}, {.requires_grad = true})) {}

FlowForward Affine::forward_and_log_det(const Tensor& x) {
  check_input("Affine", x, features());
  return {x * exp(log_scale) + shift, sum(log_scale).expand({x.size(0)})};
}

FlowInverse Affine::inverse(const Tensor& y) {
  check_input("Affine::inverse", y, features());
  return {(y - shift) * exp(-log_scale), (-sum(log_scale)).expand({y.size(0)})};
}

void Affine::visit(Visitor& v) {
  v("log_scale", log_scale);
  v("shift", shift);
}

void Affine::initialize(const Tensor& x) {
  check_input("Affine::initialize", x, features());
  check_same_dtype("Affine::initialize", x, log_scale);
  if (x.size(0) < 2) failf("Affine::initialize", "{} samples; a variance needs at least 2", x.size(0));
  const NoGrad no_grad;
  const Tensor centre = mean(x, {.axes = {0}}), variance = var(x, {.axes = {0}, .correction = 0});
  const std::vector<double> variances = to_vector<double>(variance.to(float64));
  for (std::size_t j = 0; j < variances.size(); ++j)
    if (!(variances[j] > 0) || !std::isfinite(variances[j]))
      failf("Affine::initialize", "the variance of feature {} is {}; it must be above 0 and finite", j, variances[j]);
  const Tensor scale = -0.5 * log(variance);
  log_scale.copy_(scale);
  shift.copy_(-centre * exp(scale));
}

AffineCoupling::AffineCoupling(Index features, const Options& options)
    : AffineCoupling(features, made_conditioner(features, options), options) {}

AffineCoupling::AffineCoupling(Index features, AnyModule network, const Options& options)
    : conditioner(std::move(network)),
      features_(features),
      split_(checked_split(features, options)),
      bound_(options.bound) {}

AffineCoupling::Change AffineCoupling::change(const char* operation, const Tensor& unchanged) {
  const Index rest = features_ - split_;
  const Tensor both = conditioner(unchanged);
  const Shape wanted{unchanged.size(0), 2 * rest};
  if (both.shape() != wanted)
    failf(operation, "the conditioner takes {} to {}; {} is needed, a log scale and a shift for each of the {} others",
          unchanged.shape(), both.shape(), wanted, rest);
  const std::vector<Tensor> parts = gradus::split(both, {rest, rest}, 1);
  return {bound_ * tanh(parts[0] / bound_), parts[1]};
}

FlowForward AffineCoupling::forward_and_log_det(const Tensor& x) {
  check_input("AffineCoupling", x, features_);
  const std::vector<Tensor> parts = gradus::split(x, {split_, features_ - split_}, 1);
  const auto [log_scale, shift] = change("AffineCoupling", parts[0]);
  return {cat({parts[0], parts[1] * exp(log_scale) + shift}, 1), sum(log_scale, per_sample)};
}

FlowInverse AffineCoupling::inverse(const Tensor& y) {
  check_input("AffineCoupling::inverse", y, features_);
  const std::vector<Tensor> parts = gradus::split(y, {split_, features_ - split_}, 1);
  const auto [log_scale, shift] = change("AffineCoupling::inverse", parts[0]);
  return {cat({parts[0], (parts[1] - shift) * exp(-log_scale)}, 1), -sum(log_scale, per_sample)};
}

Permutation::Permutation(const std::vector<Index>& order_) : order(from_vector(order_)) {
  checked_features("Permutation", order.numel(), 1);
  (void)inverse_order("Permutation", order);
}

Permutation Permutation::random(Index features, Generator& generator) {
  checked_features("Permutation::random", features, 1);
  return Permutation(to_vector<Index>(randperm(features, {.generator = &generator})));
}

Permutation Permutation::reversal(Index features) {
  checked_features("Permutation::reversal", features, 1);
  std::vector<Index> order;
  for (Index j = features; j-- > 0;) order.push_back(j);
  return Permutation(order);
}

FlowForward Permutation::forward_and_log_det(const Tensor& x) {
  check_input("Permutation", x, features());
  (void)inverse_order("Permutation", order);
  return {index_select(x, 1, order), zeros({x.size(0)}, {.dtype = x.dtype()})};
}

FlowInverse Permutation::inverse(const Tensor& y) {
  check_input("Permutation::inverse", y, features());
  return {index_select(y, 1, inverse_order("Permutation::inverse", order)), zeros({y.size(0)}, {.dtype = y.dtype()})};
}

Flow& FlowSequence::operator[](std::size_t i) {
  if (i >= flows_.size()) failf("FlowSequence", "there is no flow {} among {}", i, flows_.size());
  return as_flow(flows_[i]);
}

void FlowSequence::accept(const Flow& flow) {
  const Index features = flow.features();
  if (features_ != 0 && features != 0 && features != features_)
    failf("FlowSequence", "flow {} ({}) is for {} features, those before it for {}; all must have the same number",
          flows_.size(), flow.type_name(), features, features_);
  if (features != 0) features_ = features;
}

FlowForward FlowSequence::forward_and_log_det(const Tensor& x) {
  check_input("FlowSequence", x, features_);
  FlowForward result{x, zeros({x.size(0)}, {.dtype = x.dtype()})};
  for (AnyModule& flow : flows_) {
    auto [y, log_det] = as_flow(flow).forward_and_log_det(result.y);
    result = {y, result.log_det + log_det};
  }
  return result;
}

FlowInverse FlowSequence::inverse(const Tensor& y) {
  check_input("FlowSequence::inverse", y, features_);
  FlowInverse result{y, zeros({y.size(0)}, {.dtype = y.dtype()})};
  for (std::size_t i = flows_.size(); i-- > 0;) {
    auto [x, log_det] = as_flow(flows_[i]).inverse(result.x);
    result = {x, result.log_det + log_det};
  }
  return result;
}

void FlowSequence::visit(Visitor& v) {
  for (std::size_t i = 0; i < flows_.size(); ++i) v(std::to_string(i), flows_[i]);
}

Tensor flow_log_prob(Flow& flow, const Tensor& x) {
  const auto [z, log_det] = flow.forward_and_log_det(x);
  const double log_norm = 0.5 * static_cast<double>(z.size(1)) * std::log(2 * std::numbers::pi);
  return log_det - 0.5 * sum(square(z), per_sample) - log_norm;
}

Tensor flow_sample(Flow& flow, Index n, Generator& generator, const FlowSampleOptions& options) {
  const Index known = flow.features(), features = known != 0 ? known : options.features;
  if (n < 0) failf("flow_sample", "{} samples; the number must be at least 0", n);
  if (features < 1)
    failf("flow_sample", "{} takes any number of features; options.features must say how many, and is {}",
          flow.type_name(), options.features);
  if (options.features != 0 && options.features != features)
    failf("flow_sample", "{} features are asked for, but {} has {}", options.features, flow.type_name(), features);
  const std::vector<Tensor> parameters = flow.parameters();
  const DType dtype = options.dtype.value_or(parameters.empty() ? float32 : parameters[0].dtype());
  return flow.inverse(randn({n, features}, {.dtype = dtype, .generator = &generator})).x;
}

}  // namespace gradus::nn
