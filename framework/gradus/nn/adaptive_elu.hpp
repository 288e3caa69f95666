#pragma once
// ELU with an alpha that changes while the network trains: learned, or set by what flows through.
//
//   x for x > 0, alpha (e^x - 1) otherwise (Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning
//   by exponential linear units", 2016)
//
// Unless alpha is 1 the derivative jumps at 0, from alpha to 1; at 0 itself it is alpha, as in elu().
#include "gradus/nn/module.hpp"
#include "gradus/theory/elu_alpha.hpp"

namespace gradus::nn {

struct LearnedELUOptions {
  double alpha = 1;  ///< to start with; positive
};

/// ELU with one learned alpha for all elements, or one for each channel (axis 1; the only axis of a vector). What is
/// learned is a with alpha = softplus(a) = log(1 + e^a), so that alpha stays positive however large a step is, and the
/// function increasing.
/// x: any shape, (N, channels, ...) with several channels -> the same.   Parameter: "raw_alpha" (channels), which is a.
/// Weight decay draws it to 0, i.e. alpha to log 2, not to 1: leave it out of the decay.
class LearnedELU : public Module {
 public:
  using Options = LearnedELUOptions;
  Tensor raw_alpha;

  /// Throws unless channels >= 1 and alpha is positive and finite.
  explicit LearnedELU(Index channels = 1, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override { v("raw_alpha", raw_alpha); }
  /// softplus(raw_alpha), on the tape.
  Tensor alpha() const;
};

/// What StatisticsELU keeps: zero_mean, unit_slope or unit_squared_slope; and the alpha for it, in closed form.
using theory::adaptive_elu_alpha;
using theory::EluCondition;

struct StatisticsELUOptions {
  EluCondition condition = EluCondition::zero_mean;
  double momentum = 0.1;  ///< of the running statistics: new = (1 - momentum) old + momentum batch
  double eps = 1e-5;      ///< added to the variance
  double max_alpha = 10;  ///< a larger alpha is cut to this: where almost nothing is negative, no alpha of use exists
};

/// ELU whose alpha follows the statistics of its input, one for all elements or one for each channel (axis 1): it is
/// adaptive_elu_alpha(condition, running mean, running variance + eps), at most max_alpha.
///
/// In training mode each batch first moves the running mean and the running variance (the batch's own, biased one);
/// then, in both modes, alpha comes from the running ones alone. In eval mode they are fixed. So in eval mode samples
/// do not see each other; in training they do, through the statistics, as with batch norm.
///
/// alpha is a constant for the tape: no gradient flows through the statistics, unlike those of batch norm. The gradient
/// is that of ELU with this alpha, not of the whole map from batch to output.
///
/// x: any shape, (N, channels, ...) with several channels -> the same. An empty batch moves nothing. Buffers
/// "running_mean", "running_var" (channels), which start as 0 and 1; no parameters.
class StatisticsELU : public Module {
 public:
  using Options = StatisticsELUOptions;
  Tensor running_mean, running_var;

  /// Throws unless channels >= 1, momentum is in [0, 1], eps and max_alpha are positive.
  explicit StatisticsELU(Index channels = 1, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
  /// The alpha that is in force now: (channels), of the type of the statistics. NaN where these are not finite.
  Tensor alpha() const;

 private:
  Options options_;
};

}  // namespace gradus::nn
