#pragma once
// Losses: how far a prediction is from its target, as a scalar to call backward() on. Names and defaults are PyTorch's.
#include "gradus/tensor/tensor.hpp"

namespace gradus::nn {

/// What becomes of the losses of the single elements (samples, for the losses of classification).
enum class Reduction {
  mean,
  sum,
  none,        ///< a tensor of losses
  batch_mean,  ///< the sum over the size of the first axis; for kl_div
};

struct CrossEntropyOptions {
  Tensor weight = {};         ///< one factor for each class, (classes), a constant; the mean is then a weighted one
  Index ignore_index = -100;  ///< a label that counts for nothing
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0;  ///< in [0, 1]: this part of each target is spread over all classes
};

/// -log of the probability that softmax(logits) gives to the label. logits (N, classes), labels (N), int64; or (N,
/// classes, d1, ...) with labels (N, d1, ...); or (classes) with a scalar. Exact also where the softmax over- or
/// underflows; a class with logit -inf has probability 0. The mean is over the labels that are not ignored: NaN when
/// there are none. Throws for labels that are not int64 or no class.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options = {});

struct NllOptions {
  Tensor weight = {};         ///< one factor for each class, a constant
  Index ignore_index = -100;  ///< a label that counts for nothing
  Reduction reduction = Reduction::mean;
};
/// cross_entropy for logarithms of probabilities, e.g. of log_softmax.
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels, const NllOptions& options = {});

struct LossOptions {
  Reduction reduction = Reduction::mean;
};

/// -sum over the classes of target log softmax(logits). Both have shape (N, classes, ...) or (classes); the target
/// holds probabilities. The mean is over the samples. Differentiable in both; a class with target 0 counts for nothing,
/// also where its logit is -inf.
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target, const LossOptions& options = {});

// -- prediction and target of one shape: unlike shapes throw, they never broadcast. Differentiable in both.

/// (prediction - target)^2
Tensor mse_loss(const Tensor& prediction, const Tensor& target, const LossOptions& options = {});
/// |prediction - target|; its slope at 0 is 0.
Tensor l1_loss(const Tensor& prediction, const Tensor& target, const LossOptions& options = {});

struct HuberOptions {
  Reduction reduction = Reduction::mean;
  double delta = 1;  ///< above 0
};
/// With d = prediction - target: d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2). Huber, 1964.
Tensor huber_loss(const Tensor& prediction, const Tensor& target, const HuberOptions& options = {});

struct SmoothL1Options {
  Reduction reduction = Reduction::mean;
  double beta = 1;  ///< at least 0; with 0 it is l1_loss
};
/// d^2 / (2 beta) where |d| < beta, else |d| - beta / 2: huber_loss / beta, whose slope for large d is 1.
Tensor smooth_l1_loss(const Tensor& prediction, const Tensor& target, const SmoothL1Options& options = {});

struct BceWithLogitsOptions {
  Tensor weight = {};  ///< a factor for each element, broadcast; a constant
  Reduction reduction = Reduction::mean;
  Tensor pos_weight = {};  ///< a factor for the part of the positive class, broadcast; a constant
};
/// -target log p - (1 - target) log(1 - p) with p = 1 / (1 + exp(-logits)), exact for any logits. Targets are
/// probabilities, 0 and 1 most often.
Tensor bce_with_logits(const Tensor& logits, const Tensor& target, const BceWithLogitsOptions& options = {});

struct BceOptions {
  Tensor weight = {};  ///< a factor for each element, broadcast; a constant
  Reduction reduction = Reduction::mean;
};
/// The same for p itself. Its logarithms are at least -100, so that 0 and 1 are possible; a p outside [0, 1] throws.
/// bce_with_logits is the more accurate one.
Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, const BceOptions& options = {});

struct KlDivOptions {
  Reduction reduction = Reduction::mean;  ///< batch_mean is the divergence of the distributions
  bool log_target = false;                ///< the target holds logarithms, too
};
/// The terms target (log target - input) of the Kullback-Leibler divergence, for logarithms of probabilities as input;
/// 0 log 0 = 0.
Tensor kl_div(const Tensor& log_probabilities, const Tensor& target, const KlDivOptions& options = {});

}  // namespace gradus::nn
