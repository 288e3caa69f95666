#include "gradus/nn/loss.hpp"

#include <cmath>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/loss.hpp"
#include "gradus/kernels/reduce.hpp"
#include "gradus/nn/optional.hpp"
#include "gradus/ops/activation.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/ops/softmax.hpp"

namespace gradus::nn {

using autograd::Grads;
using autograd::is_recording;
using autograd::record;
using autograd::saves;
using autograd::Step;

namespace {

struct Classification {
  kernels::Classes size;
  Shape positions;  // the shape of the labels
};

// Checks everything that a classification loss reads, and finds out where the classes are: axis 1, or the only axis.
Classification check_classes(const char* operation, const Tensor& scores, const Tensor& labels, const Tensor& weight,
                             Index ignore_index, double smoothing) {
  check_floating(operation, scores);
  if (labels.dtype() != int64)
    failf(operation,
          "the labels are {} {} but must be int64, the number of the class; convert with .to(int64), or use "
          "soft_cross_entropy for "
          "targets that are probabilities",
          labels.dtype(), labels.shape());
  if (!(smoothing >= 0 && smoothing <= 1)) failf(operation, "label_smoothing is {}; it must lie in [0, 1]", smoothing);
  if (scores.dim() == 0) fail(operation, "a scalar has no axis of classes; the scores must be (N, classes)");
  const std::size_t axis = scores.dim() == 1 ? 0 : 1;
  Shape positions = scores.shape();
  positions.erase(axis);
  if (labels.shape() != positions)
    failf(operation, "scores of shape {} need labels of shape {}, one for each sample; these have shape {}",
          scores.shape(), positions, labels.shape());
  const kernels::Classes size{scores.shape().product(0, axis), scores.shape()[axis],
                              scores.shape().product(axis + 1, scores.shape().size()), ignore_index, smoothing};
  if (size.classes == 0) failf(operation, "scores of shape {} have no classes", scores.shape());
  if (weight.defined()) {
    check_same_dtype(operation, scores, weight);
    if (weight.shape() != Shape{size.classes})
      failf(operation, "the class weights have shape {} but scores of shape {} need {}", weight.shape(), scores.shape(),
            Shape{size.classes});
    if (weight.requires_grad())
      fail(operation, "the class weights are constants and get no gradient; pass weight.detach()");
  }
  const Index bad = kernels::first_bad_label(size, labels.data<std::int64_t>());
  if (bad >= 0)
    failf(operation, "label {} at position {} is out of range: scores of shape {} have the classes 0 to {}",
          labels.data<std::int64_t>()[bad], bad, scores.shape(), size.classes - 1);
  return {size, positions};
}

void check_reduction(const char* operation, Reduction reduction) {
  if (reduction == Reduction::batch_mean)
    fail(operation, "Reduction::batch_mean belongs to kl_div; use mean, sum or none");
}

// The losses of the positions, reduced; `total` is what a mean divides by.
Tensor reduce_losses(const char* operation, const Tensor& losses, Reduction reduction, double total) {
  if (reduction == Reduction::none) return losses;
  Tensor value = Tensor::make(operation, {}, losses.dtype());
  dispatch_floating(operation, losses.dtype(), [&]<class T> {
    T* out = value.data<T>();
    kernels::reduce(kernels::ReduceOp::sum, losses.data<T>(), out, 1, losses.numel(), 1);
    if (reduction == Reduction::mean) *out = T(double(*out) / total);
  });
  return value;
}

// One number per position, or one for all, in the shape that broadcasts against the scores.
Tensor against_scores(const Tensor& x, const Shape& scores) {
  if (x.numel() == 1) return reshape(x, {});
  Shape shape = scores;
  shape[1] = 1;
  return reshape(x, shape);
}

double label_total(const Classification& c, const Tensor& scores, const Tensor& labels, const Tensor& weight) {
  return dispatch_floating("cross_entropy", scores.dtype(), [&]<class T> {
    return kernels::label_weight(c.size, labels.data<std::int64_t>(), data_or_null<T>(weight));
  });
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options) {
  const auto [size, positions] =
      check_classes("cross_entropy", logits, labels, options.weight, options.ignore_index, options.label_smoothing);
  check_reduction("cross_entropy", options.reduction);
  const Tensor losses = Tensor::make("cross_entropy", positions, logits.dtype());
  const Tensor tops = Tensor::make("cross_entropy", positions, logits.dtype());
  const Tensor rests = Tensor::make("cross_entropy", positions, logits.dtype());
  dispatch_floating("cross_entropy", logits.dtype(), [&]<class T> {
    kernels::cross_entropy(size, logits.data<T>(), labels.data<std::int64_t>(), data_or_null<T>(options.weight),
                           losses.data<T>(), tops.data<T>(), rests.data<T>());
  });
  const double total =
      options.reduction == Reduction::mean ? label_total({size, positions}, logits, labels, options.weight) : 1;
  // dx = g (a softmax(x) - t), with the targets t, which do not depend on x, and their sum a.
  return record(
      "cross_entropy", reduce_losses("cross_entropy", losses, options.reduction, total), {logits},
      saves(logits, labels, options.weight, tops, rests),
      [size = size, scale = total == 0 ? 0 : 1 / total](const Tensor& g, const Tensor& x, const Tensor& y,
                                                        const Tensor& w, const Tensor& top, const Tensor& rest) {
        Tensor dx = Tensor::make("cross_entropy", x.shape(), x.dtype());
        if (!is_recording()) {
          dispatch_floating("cross_entropy", x.dtype(), [&]<class T> {
            kernels::cross_entropy_backward(size, x.data<T>(), y.data<std::int64_t>(), data_or_null<T>(w),
                                            top.data<T>(), rest.data<T>(), g.data<T>(), g.numel() == 1 ? 0 : 1, scale,
                                            dx.data<T>());
          });
          return Grads{dx};
        }
        const Tensor& targets = dx;
        const Tensor sums = Tensor::make("cross_entropy", top.shape(), x.dtype());
        dispatch_floating("cross_entropy", x.dtype(), [&]<class T> {
          kernels::class_targets(size, y.data<std::int64_t>(), data_or_null<T>(w), targets.data<T>(), sums.data<T>());
        });
        const Tensor p = softmax(x, x.dim() == 1 ? 0 : 1);
        return Grads{against_scores(g, x.shape()) * ((against_scores(sums, x.shape()) * p - targets) * scale)};
      });
}

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels, const NllOptions& options) {
  const auto [size, positions] =
      check_classes("nll_loss", log_probabilities, labels, options.weight, options.ignore_index, 0);
  check_reduction("nll_loss", options.reduction);
  const Tensor losses = Tensor::make("nll_loss", positions, log_probabilities.dtype());
  dispatch_floating("nll_loss", losses.dtype(), [&]<class T> {
    kernels::negative_log_likelihood(size, log_probabilities.data<T>(), labels.data<std::int64_t>(),
                                     data_or_null<T>(options.weight), losses.data<T>());
  });
  const double total = options.reduction == Reduction::mean
                           ? label_total({size, positions}, log_probabilities, labels, options.weight)
                           : 1;
  // Linear in x: dx = -g t, with t the weight at the label and 0 elsewhere.
  return record("nll_loss", reduce_losses("nll_loss", losses, options.reduction, total), {log_probabilities},
                saves(labels, options.weight),
                [size = size, shape = log_probabilities.shape(), scale = total == 0 ? 0 : 1 / total](
                    const Tensor& g, const Tensor& y, const Tensor& w) {
                  const Tensor targets = Tensor::make("nll_loss", shape, g.dtype());
                  dispatch_floating("nll_loss", g.dtype(), [&]<class T> {
                    kernels::class_targets<T>(size, y.data<std::int64_t>(), data_or_null<T>(w), targets.data<T>(),
                                              nullptr);
                  });
                  return Grads{against_scores(g, shape) * (targets * -scale)};
                });
}

namespace {

using kernels::PairLoss;

void check_pair(const char* operation, const Tensor& a, const Tensor& b) {
  check_floating(operation, a);
  check_same_dtype(operation, a, b);
  if (a.shape() != b.shape())
    failf(operation, "the prediction has shape {} and the target {}; they must be equal{}", a.shape(), b.shape(),
          a.numel() == b.numel() ? fmt::format(", e.g. by target.reshape({{{}}})", fmt::join(a.shape(), ", ")) : "");
}

// Derivatives of an element's loss with respect to prediction and target, in differentiable operations.
Tensor slope(PairLoss kind, double p, const Tensor& a, const Tensor& b, bool of_target) {
  switch (kind) {
    case PairLoss::squared:
      return 2.0 * (of_target ? b - a : a - b);
    case PairLoss::absolute:
      return sign(of_target ? b - a : a - b);
    case PairLoss::huber:
      return clamp(of_target ? b - a : a - b, -p, p);
    case PairLoss::smooth_l1:
      return clamp((of_target ? b - a : a - b) / p, -1, 1);
    case PairLoss::bce_with_logits:
      return of_target ? -a : sigmoid(a) - b;
    case PairLoss::binary_cross_entropy: {
      if (!of_target) return (a - b) / maximum(a * (1.0 - a), 1e-12);
      const double least = std::exp(-100.0);
      return log(maximum(1.0 - a, least)) - log(maximum(a, least));
    }
    case PairLoss::kl_divergence: {
      if (!of_target) return -b;
      const Tensor none = b == 0.0;
      return where(none, 0.0, log(where(none, 1.0, b)) + 1.0 - a);
    }
    case PairLoss::kl_divergence_log: {
      const Tensor q = exp(b);
      if (!of_target) return -q;
      const Tensor none = q.detach() == 0.0;
      return where(none, 0.0, q * (where(none, 0.0, b) - a + 1.0));
    }
  }
  return {};
}

Tensor pair_loss(const char* operation, PairLoss kind, double p, const Tensor& a, const Tensor& b,
                 Reduction reduction) {
  check_pair(operation, a, b);
  double scale = 1;
  if (reduction == Reduction::mean) scale = 1 / double(a.numel());
  if (reduction == Reduction::batch_mean) scale = 1 / double(a.dim() > 0 ? a.shape()[0] : 1);
  Tensor value = Tensor::make(operation, reduction == Reduction::none ? a.shape() : Shape{}, a.dtype());
  dispatch_floating(operation, a.dtype(), [&]<class T> {
    if (reduction == Reduction::none)
      kernels::pair_loss(kind, p, a.data<T>(), b.data<T>(), value.data<T>(), a.numel());
    else
      *value.data<T>() = T(kernels::pair_loss_sum(kind, p, a.data<T>(), b.data<T>(), a.numel()) * scale);
  });
  return record(operation, std::move(value), {a, b}, saves(a, b),
                [=](const Tensor& g, const Tensor& x, const Tensor& y, const Step& step) {
                  Grads grads(2);
                  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
                    if (!step.needs(i)) continue;
                    grads[i] = is_recording() ? g * (slope(kind, p, x, y, i == 1) * scale)
                                              : Tensor::make(operation, x.shape(), x.dtype());
                  }
                  if (is_recording()) return grads;
                  dispatch_floating(operation, x.dtype(), [&]<class T> {
                    kernels::pair_loss_backward(kind, p, x.data<T>(), y.data<T>(), g.data<T>(), g.numel() == 1 ? 0 : 1,
                                                scale, grads[0].defined() ? grads[0].data<T>() : nullptr,
                                                grads[1].defined() ? grads[1].data<T>() : nullptr, x.numel());
                  });
                  return grads;
                });
}

void check_constant(const char* operation, const char* what, const Tensor& factor) {
  if (factor.defined() && factor.requires_grad())
    failf(operation, "{} is a constant and gets no gradient; pass its detach()", what);
}

Tensor reduce(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::none) return losses;
  return reduction == Reduction::sum ? sum(losses) : mean(losses);
}

// Factors broadcast to the losses, never the other way round.
Tensor times(const char* operation, const char* what, const Tensor& losses, const Tensor& factor) {
  check_same_dtype(operation, losses, factor);
  if (!broadcasts_to(factor.shape(), losses.shape()))
    failf(operation, "{} has shape {}, which does not broadcast to {}", what, factor.shape(), losses.shape());
  return losses * factor;
}

}  // namespace

Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target, const LossOptions& options) {
  check_pair("soft_cross_entropy", logits, target);
  check_reduction("soft_cross_entropy", options.reduction);
  if (logits.dim() == 0) fail("soft_cross_entropy", "a scalar has no axis of classes; the logits must be (N, classes)");
  const Index axis = logits.dim() == 1 ? 0 : 1;
  const Tensor log_p = where(target == 0.0, 0.0, log_softmax(logits, axis));
  return reduce(-sum(target * log_p, {.axes = {axis}}), options.reduction);
}

Tensor mse_loss(const Tensor& prediction, const Tensor& target, const LossOptions& options) {
  check_reduction("mse_loss", options.reduction);
  return pair_loss("mse_loss", PairLoss::squared, 0, prediction, target, options.reduction);
}

Tensor l1_loss(const Tensor& prediction, const Tensor& target, const LossOptions& options) {
  check_reduction("l1_loss", options.reduction);
  return pair_loss("l1_loss", PairLoss::absolute, 0, prediction, target, options.reduction);
}

Tensor huber_loss(const Tensor& prediction, const Tensor& target, const HuberOptions& options) {
  check_reduction("huber_loss", options.reduction);
  if (!(options.delta > 0)) failf("huber_loss", "delta is {}; it must be positive", options.delta);
  return pair_loss("huber_loss", PairLoss::huber, options.delta, prediction, target, options.reduction);
}

Tensor smooth_l1_loss(const Tensor& prediction, const Tensor& target, const SmoothL1Options& options) {
  check_reduction("smooth_l1_loss", options.reduction);
  if (!(options.beta >= 0)) failf("smooth_l1_loss", "beta is {}; it must be at least 0", options.beta);
  return pair_loss("smooth_l1_loss", options.beta == 0 ? PairLoss::absolute : PairLoss::smooth_l1, options.beta,
                   prediction, target, options.reduction);
}

Tensor bce_with_logits(const Tensor& logits, const Tensor& target, const BceWithLogitsOptions& options) {
  check_reduction("bce_with_logits", options.reduction);
  check_constant("bce_with_logits", "weight", options.weight);
  check_constant("bce_with_logits", "pos_weight", options.pos_weight);
  if (!options.weight.defined() && !options.pos_weight.defined())
    return pair_loss("bce_with_logits", PairLoss::bce_with_logits, 0, logits, target, options.reduction);
  check_pair("bce_with_logits", logits, target);
  Tensor losses;
  if (options.pos_weight.defined()) {
    constexpr double never = 1e300;  // softplus needs no threshold to be exact
    const Tensor positive = times("bce_with_logits", "pos_weight", target, options.pos_weight);
    losses = positive * softplus(-logits, 1, never) + (1.0 - target) * softplus(logits, 1, never);
  } else {
    losses = pair_loss("bce_with_logits", PairLoss::bce_with_logits, 0, logits, target, Reduction::none);
  }
  if (options.weight.defined()) losses = times("bce_with_logits", "weight", losses, options.weight);
  return reduce(losses, options.reduction);
}

Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, const BceOptions& options) {
  check_reduction("binary_cross_entropy", options.reduction);
  check_constant("binary_cross_entropy", "weight", options.weight);
  check_pair("binary_cross_entropy", p, target);
  dispatch_floating("binary_cross_entropy", p.dtype(), [&]<class T> {
    for (Index i = 0; i < p.numel(); ++i)
      if (const T v = p.data<T>()[i]; v < 0 || v > 1)
        failf("binary_cross_entropy",
              "the prediction {} at position {} is no probability; for logits use bce_with_logits", v, i);
  });
  if (!options.weight.defined())
    return pair_loss("binary_cross_entropy", PairLoss::binary_cross_entropy, 0, p, target, options.reduction);
  const Tensor losses =
      pair_loss("binary_cross_entropy", PairLoss::binary_cross_entropy, 0, p, target, Reduction::none);
  return reduce(times("binary_cross_entropy", "weight", losses, options.weight), options.reduction);
}

Tensor kl_div(const Tensor& log_probabilities, const Tensor& target, const KlDivOptions& options) {
  return pair_loss("kl_div", options.log_target ? PairLoss::kl_divergence_log : PairLoss::kl_divergence, 0,
                   log_probabilities, target, options.reduction);
}

namespace {

// x^exponent for x >= 0, with slope 0 at 0 whatever the exponent: where it is used, the factor beside it vanishes
// there.
Tensor power(const Tensor& x, double exponent) {
  const Tensor none = x == 0.0;
  return where(none, 0.0, pow(where(none, 1.0, x), exponent));
}

}  // namespace

Tensor distillation_loss(const Tensor& student, const Tensor& teacher, const DistillationOptions& options) {
  constexpr const char* operation = "distillation_loss";
  check_pair(operation, student, teacher);
  check_reduction(operation, options.reduction);
  const double t = options.temperature;
  if (!(t > 0 && std::isfinite(t))) failf(operation, "the temperature is {}; it must be a finite number > 0", t);
  if (student.dim() == 0) fail(operation, "a scalar has no axis of classes; the logits must be (N, classes)");
  const Index axis = student.dim() == 1 ? 0 : 1;
  const Tensor log_p = log_softmax(student / t, axis), log_q = log_softmax(teacher / t, axis), q = exp(log_q);
  const Tensor none = q.detach() == 0.0;
  const Tensor terms = q * (where(none, 0.0, log_q) - where(none, 0.0, log_p));
  return reduce(sum(terms, {.axes = {axis}}) * (t * t), options.reduction);
}

Tensor distillation_loss(const Tensor& student, const Tensor& teacher, const Tensor& labels,
                         const DistillationOptions& options) {
  const double soft = options.soft_weight;
  if (!(soft >= 0 && soft <= 1)) failf("distillation_loss", "soft_weight is {}; it must lie in [0, 1]", soft);
  return soft * distillation_loss(student, teacher, options) +
         (1 - soft) * cross_entropy(student, labels, {.reduction = options.reduction});
}

Tensor focal_loss(const Tensor& logits, const Tensor& labels, const FocalOptions& options) {
  if (!(options.gamma >= 0 && std::isfinite(options.gamma)))
    failf("focal_loss", "gamma is {}; it must be a finite number >= 0", options.gamma);
  check_reduction("focal_loss", options.reduction);
  const Classification classes = check_classes("focal_loss", logits, labels, options.weight, options.ignore_index, 0);
  const Tensor plain =
      cross_entropy(logits, labels, {.ignore_index = options.ignore_index, .reduction = Reduction::none});
  Tensor losses = plain;
  if (options.weight.defined())
    losses = cross_entropy(
        logits, labels, {.weight = options.weight, .ignore_index = options.ignore_index, .reduction = Reduction::none});
  if (options.gamma > 0) losses = losses * power(-expm1(-plain), options.gamma);
  if (options.reduction == Reduction::none) return losses;
  const Tensor total = sum(losses);
  return options.reduction == Reduction::sum ? total : total / label_total(classes, logits, labels, {});
}

Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& target, const SigmoidFocalOptions& options) {
  constexpr const char* operation = "sigmoid_focal_loss";
  check_pair(operation, logits, target);
  check_reduction(operation, options.reduction);
  if (!(options.gamma >= 0 && std::isfinite(options.gamma)))
    failf(operation, "gamma is {}; it must be a finite number >= 0", options.gamma);
  if (!(options.alpha <= 1)) failf(operation, "alpha is {}; it must be at most 1", options.alpha);
  Tensor losses = pair_loss(operation, PairLoss::bce_with_logits, 0, logits, target, Reduction::none);
  const Tensor other = 1.0 - target;
  if (options.gamma > 0) losses = losses * power(sigmoid(logits) * other + sigmoid(-logits) * target, options.gamma);
  if (options.alpha >= 0) losses = losses * (options.alpha * target + (1 - options.alpha) * other);
  return reduce(losses, options.reduction);
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, const CosineOptions& options) {
  constexpr const char* operation = "cosine_similarity";
  check_floating(operation, a);
  check_same_dtype(operation, a, b);
  if (!(options.eps > 0)) failf(operation, "eps is {}; it must be positive", options.eps);
  const ReduceOptions along{.axes = {options.axis}, .keepdim = true};
  // The bound goes under the root, whose slope at 0 is infinite.
  const auto unit = [&](const Tensor& x) {
    return x * rsqrt(maximum(sum(square(x), along), options.eps * options.eps));
  };
  return sum(unit(a) * unit(b), {.axes = {options.axis}});
}

Tensor cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& target,
                             const CosineEmbeddingOptions& options) {
  constexpr const char* operation = "cosine_embedding_loss";
  check_pair(operation, a, b);
  check_reduction(operation, options.reduction);
  if (!(options.margin >= -1 && options.margin <= 1))
    failf(operation, "margin is {}; a cosine lies in [-1, 1]", options.margin);
  if (a.dim() != 1 && a.dim() != 2)
    failf(operation, "the vectors have shape {}; it must be (N, features) or (features)", a.shape());
  Shape samples = a.shape();
  samples.erase(samples.size() - 1);
  if (target.shape() != samples)
    failf(operation, "vectors of shape {} need targets of shape {}, one for each pair; these have shape {}", a.shape(),
          samples, target.shape());
  if (target.dtype() != int64) check_same_dtype(operation, a, target);
  const Tensor like = target.detach().to(a.dtype());
  dispatch_floating(operation, like.dtype(), [&]<class T> {
    for (Index i = 0; i < like.numel(); ++i)
      if (const T v = like.data<T>()[i]; v != 1 && v != -1)
        failf(operation, "the target {} at position {} is neither 1 (alike) nor -1 (unlike)", v, i);
  });
  const Tensor cosine = cosine_similarity(a, b, {.axis = a.dim() - 1});
  return reduce(where(like > 0.0, 1.0 - cosine, relu(cosine - options.margin)), options.reduction);
}

Tensor gaussian_nll_loss(const Tensor& mean, const Tensor& target, const Tensor& variance,
                         const GaussianNllOptions& options) {
  constexpr const char* operation = "gaussian_nll_loss";
  check_pair(operation, mean, target);
  check_same_dtype(operation, mean, variance);
  check_reduction(operation, options.reduction);
  if (!(options.eps > 0)) failf(operation, "eps is {}; it must be positive", options.eps);
  Tensor v = variance;
  if (v.shape() != mean.shape()) {
    Shape shared = mean.shape();
    if (!shared.empty()) shared[shared.size() - 1] = 1;
    if (mean.dim() > 0 && v.dim() == mean.dim() - 1) v = unsqueeze(v, -1);
    if (v.shape() != shared)
      failf(operation,
            "the variance has shape {}; predictions of shape {} need that, or 1 or nothing for the last axis",
            variance.shape(), mean.shape());
  }
  dispatch_floating(operation, v.dtype(), [&]<class T> {
    for (Index i = 0; i < v.numel(); ++i)
      if (v.data<T>()[i] < 0) failf(operation, "the variance {} at position {} is negative", v.data<T>()[i], i);
  });
  const Tensor plain = v.detach();
  v = v + (maximum(plain, options.eps) - plain);
  constexpr double log_2pi = 1.8378770664093454835606594728112;
  const Tensor losses = 0.5 * (log(v) + square(mean - target) / v) + (options.full ? log_2pi / 2 : 0);
  return reduce(losses, options.reduction);
}

}  // namespace gradus::nn
