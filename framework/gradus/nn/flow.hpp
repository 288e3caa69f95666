#pragma once
// Normalising flows: layers that are bijections with a known Jacobian determinant, and the densities they give.
//
//   nn::FlowSequence flow{nn::AffineCoupling{2}, nn::Permutation::reversal(2), nn::AffineCoupling{2}};
//   (-nn::flow_log_prob(flow, x).mean()).backward();            // x: (N, 2)
//   Tensor samples = nn::flow_sample(flow, 100, generator);     // (100, 2)
//
// A flow f takes data to the base, z = f(x), as in Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP",
// 2017, equations 2 and 3: p(x) = N(f(x); 0, 1) |det df/dx|. To push the base through a layer instead, put the layer's
// inverse into the flow: the density of ELU(z) is that of InverseELUFlow.
#include <concepts>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gradus/core/generator.hpp"
#include "gradus/nn/module.hpp"

namespace gradus::nn {

/// y (N, D), and log |det dy/dx| of each sample (N).
struct FlowForward {
  Tensor y, log_det;
};

/// x (N, D), and log |det dx/dy| of each sample (N): the negative of the forward one at x.
struct FlowInverse {
  Tensor x, log_det;
};

/// A bijection of vectors. x: (N, D) -> y: (N, D). Throws for any other shape.
class Flow : public Module {
 public:
  virtual FlowForward forward_and_log_det(const Tensor& x) = 0;
  virtual FlowInverse inverse(const Tensor& y) = 0;
  /// D, or 0 where any will do.
  virtual Index features() const { return 0; }

  /// y alone.
  Tensor forward(const Tensor& x) override { return forward_and_log_det(x).y; }
};

/// A class of flows, other than Flow itself.
template <class F>
concept FlowValue = std::derived_from<F, Flow> && !std::same_as<F, Flow>;

/// y = ELU(x), elementwise: x for x >= 0, alpha (exp(x) - 1) below. It maps onto (-alpha, inf), not onto all numbers;
/// the inverse is log(1 + y/alpha) for y <= 0. log |det| = sum over x < 0 of x + log(alpha).
/// The inverse throws for a y that is not above -alpha. In floating point ELU is -alpha itself below about -37.4
/// (float64) or -17.3 (float32), where the inverse throws as well. At 0 the slope of alpha != 1 is taken from above.
/// Throws unless alpha is positive and finite.
class ELUFlow : public Flow {
 public:
  explicit ELUFlow(double alpha = 1.0);
  FlowForward forward_and_log_det(const Tensor& x) override;
  FlowInverse inverse(const Tensor& y) override;
  double alpha() const { return alpha_; }

 private:
  double alpha_;
};

/// The inverse of ELUFlow: from (-alpha, inf) onto all numbers. forward throws outside of that range.
class InverseELUFlow : public Flow {
 public:
  explicit InverseELUFlow(double alpha = 1.0) : elu_(alpha) {}
  FlowForward forward_and_log_det(const Tensor& x) override;
  FlowInverse inverse(const Tensor& y) override;
  double alpha() const { return elu_.alpha(); }

 private:
  ELUFlow elu_;
};

/// y = x exp(log_scale) + shift, elementwise (the ActNorm of Kingma, Dhariwal, "Glow", 2018, section 3.1).
/// log |det| = sum of log_scale. Parameters: "log_scale" (D), "shift" (D), both start at 0: the identity.
class Affine : public Flow {
 public:
  Tensor log_scale, shift;

  explicit Affine(Index features);
  FlowForward forward_and_log_det(const Tensor& x) override;
  FlowInverse inverse(const Tensor& y) override;
  Index features() const override { return log_scale.numel(); }
  void visit(Visitor& v) override;

  /// Sets both so that each column of y has mean 0 and variance 1 over these samples. Throws, with nothing changed,
  /// where a column is constant or not finite.
  void initialize(const Tensor& x);
};

struct AffineCouplingOptions {
  std::vector<Index> hidden = {64, 64};  ///< widths of the conditioner's hidden layers
  std::string activation = "relu";       ///< of the conditioner: any name that nn::activation knows
  std::optional<Index> split = {};       ///< how many features are passed on unchanged; default: D / 2
  double bound = 2;                      ///< |log scale| stays below this
};

/// With x = (a, b) and (r, t) = conditioner(a):   y = (a, b exp(s) + t),   s = bound tanh(r / bound).
/// log |det| = sum of s (Dinh et al. 2017, section 3.2). The conditioner takes (N, split) to (N, 2 (D - split)), the r
/// first; it must be deterministic, and free of batch statistics, or the inverse is none.
/// State: "conditioner.0.weight", ... A conditioner made here is Linear - activation - ... - Linear, the last one 0 at
/// the start: the identity (Kingma, Dhariwal, 2018, section 3.3).
class AffineCoupling : public Flow {
 public:
  using Options = AffineCouplingOptions;
  AnyModule conditioner;

  explicit AffineCoupling(Index features, const Options& options = {});
  /// With a network of one's own; options.hidden and options.activation are not used.
  AffineCoupling(Index features, AnyModule network, const Options& options = {});
  FlowForward forward_and_log_det(const Tensor& x) override;
  FlowInverse inverse(const Tensor& y) override;
  Index features() const override { return features_; }
  Index split() const { return split_; }
  void visit(Visitor& v) override { v("conditioner", conditioner); }

 private:
  struct Change {
    Tensor log_scale, shift;
  };
  Change change(const char* operation, const Tensor& unchanged);

  Index features_, split_;
  double bound_;
};

/// y[:, j] = x[:, order[j]]. log |det| = 0. Buffer: "order" (D), int64. Throws unless order holds 0 .. D-1, each once.
class Permutation : public Flow {
 public:
  Tensor order;

  explicit Permutation(const std::vector<Index>& order);
  static Permutation random(Index features, Generator& generator);
  /// The last feature first.
  static Permutation reversal(Index features);

  FlowForward forward_and_log_det(const Tensor& x) override;
  FlowInverse inverse(const Tensor& y) override;
  Index features() const override { return order.numel(); }
  void visit(Visitor& v) override { v.buffer("order", order); }
};

/// Flows one after another; their log-determinants add up. State is named "0.log_scale", ... Empty, it is the identity.
/// Throws where two flows are for different D.
class FlowSequence : public Flow {
 public:
  FlowSequence() = default;
  template <class... F>
  requires(sizeof...(F) > 0 && (FlowValue<std::decay_t<F>> && ...) &&
           !(sizeof...(F) == 1 && (std::same_as<FlowSequence, std::decay_t<F>> && ...))) FlowSequence(F&&... flows) {
    (push_back(std::decay_t<F>(std::forward<F>(flows))), ...);
  }

  template <FlowValue F>
  void push_back(F flow) {
    accept(flow);
    flows_.emplace_back(std::move(flow));
  }
  std::size_t size() const { return flows_.size(); }
  /// Throws unless i < size().
  Flow& operator[](std::size_t i);

  FlowForward forward_and_log_det(const Tensor& x) override;
  FlowInverse inverse(const Tensor& y) override;
  Index features() const override { return features_; }
  void visit(Visitor& v) override;

 private:
  void accept(const Flow& flow);

  std::vector<AnyModule> flows_;  // each of them a Flow: push_back takes nothing else
  Index features_ = 0;
};

/// log p(x) of each sample under the flow with a standard normal base: log N(f(x); 0, 1) + log |det df/dx|.
/// x: (N, D) -> (N).
Tensor flow_log_prob(Flow& flow, const Tensor& x);

struct FlowSampleOptions {
  Index features = 0;               ///< D, for flows that take any
  std::optional<DType> dtype = {};  ///< default: that of the flow's parameters, or float32 if it has none
};
/// n samples of the flow's density, (n, D): the inverse of standard normal numbers. Differentiable with respect to the
/// parameters. Throws where D is not known or contradicts the flow's.
Tensor flow_sample(Flow& flow, Index n, Generator& generator, const FlowSampleOptions& options = {});

}  // namespace gradus::nn
