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

// -- from one network to another

struct DistillationOptions {
  double temperature = 2;    ///< above 0: the larger, the more the small probabilities count
  double soft_weight = 0.5;  ///< in [0, 1], with labels: the part of the teacher; the labels have the rest
  Reduction reduction = Reduction::mean;
};
/// T^2 KL(q || p), with q = softmax(teacher / T) and p = softmax(student / T) over the classes: axis 1, or the only
/// one. Both have shape (N, classes, ...) or (classes); the mean is over the samples.
///
/// The gradient of KL(q || p) by the student's logits is (p - q) / T, and p - q itself is of order 1 / T, so that
/// without the factor T^2 a larger temperature would mean a smaller gradient. With it the weight against a loss of
/// labels keeps its meaning whatever T, and for T to infinity the loss becomes sum((s - t)^2) / (2 classes), with s and
/// t the logits less their means. Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015, section
/// 2. Differentiable in both; detach a teacher that is not trained, or run it under NoGrad.
Tensor distillation_loss(const Tensor& student_logits, const Tensor& teacher_logits,
                         const DistillationOptions& options = {});
/// soft_weight times that, plus (1 - soft_weight) cross_entropy(student_logits, labels), at temperature 1.
Tensor distillation_loss(const Tensor& student_logits, const Tensor& teacher_logits, const Tensor& labels,
                         const DistillationOptions& options = {});

// -- where most samples are easy

struct FocalOptions {
  double gamma = 2;           ///< at least 0; with 0 it is cross_entropy
  Tensor weight = {};         ///< one factor for each class (the paper's alpha), a constant
  Index ignore_index = -100;  ///< a label that counts for nothing
  Reduction reduction = Reduction::mean;
};
/// -(1 - p)^gamma log p with p the probability of the label: what is classified well already counts for little. Shapes
/// as in cross_entropy. The mean divides by the number of labels that are not ignored, without weights. Lin, Goyal,
/// Girshick, He, Dollar, "Focal loss for dense object detection", 2017, equations 4 and 5.
Tensor focal_loss(const Tensor& logits, const Tensor& labels, const FocalOptions& options = {});

struct SigmoidFocalOptions {
  double gamma = 2;     ///< at least 0
  double alpha = 0.25;  ///< factor of the positive class, 1 - alpha that of the negative one; below 0: no factors
  Reduction reduction = Reduction::mean;
};
/// The same for two classes and one logit, element by element: logits and targets of one shape, targets 0, 1, or
/// between.
Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& target, const SigmoidFocalOptions& options = {});

// -- angles

struct CosineOptions {
  Index axis = 1;
  double eps = 1e-8;  ///< a norm below this counts as this
};
/// The cosine of the angle between the vectors along `axis`; a and b broadcast. 0 where one of them is 0.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, const CosineOptions& options = {});

struct CosineEmbeddingOptions {
  double margin = 0;  ///< in [-1, 1]: unlike pairs may have this cosine
  Reduction reduction = Reduction::mean;
};
/// 1 - cos for pairs with target 1, max(0, cos - margin) for those with target -1. a and b (N, features) with target
/// (N), or (features) with a scalar; the target is int64 or of their type. Throws for targets other than 1 and -1.
Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target,
                             const CosineEmbeddingOptions& options = {});

// -- a prediction that knows how sure it is

struct GaussianNllOptions {
  bool full = false;  ///< add log(2 pi) / 2, which changes no gradient
  double eps = 1e-6;  ///< a smaller variance counts as this
  Reduction reduction = Reduction::mean;
};
/// (log v + (mean - target)^2 / v) / 2, the negative logarithm of a normal density with variance v: variance or eps,
/// whichever is larger. `variance` has the shape of mean, or size 1 on the last axis, or no last axis. As in PyTorch
/// the gradient passes to a variance below eps, so that it can grow again. Throws when a variance is negative. Nix and
/// Weigend, "Estimating the mean and variance of the target probability distribution", 1994.
Tensor gaussian_nll_loss(const Tensor& mean, const Tensor& target, const Tensor& variance,
                         const GaussianNllOptions& options = {});

}  // namespace gradus::nn
