#include "gradus/nn/loss.hpp"

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/loss.hpp"
#include "gradus/kernels/reduce.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/ops/softmax.hpp"

namespace gradus::nn {

using autograd::Grads;
using autograd::is_recording;
using autograd::record;
using autograd::saves;

namespace {

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

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
  const Tensor losses = Tensor::make("cross_entropy", positions, logits.dtype());
  const Tensor lse = Tensor::make("cross_entropy", positions, logits.dtype());
  dispatch_floating("cross_entropy", logits.dtype(), [&]<class T> {
    kernels::cross_entropy(size, logits.data<T>(), labels.data<std::int64_t>(), data_or_null<T>(options.weight),
                           losses.data<T>(), lse.data<T>());
  });
  const double total =
      options.reduction == Reduction::mean ? label_total({size, positions}, logits, labels, options.weight) : 1;
  // dx = g (a softmax(x) - t), with the targets t, which do not depend on x, and their sum a.
  return record(
      "cross_entropy", reduce_losses("cross_entropy", losses, options.reduction, total), {logits},
      saves(logits, labels, options.weight, lse),
      [size = size, scale = total == 0 ? 0 : 1 / total](const Tensor& g, const Tensor& x, const Tensor& y,
                                                        const Tensor& w, const Tensor& l) {
        Tensor dx = Tensor::make("cross_entropy", x.shape(), x.dtype());
        if (!is_recording()) {
          dispatch_floating("cross_entropy", x.dtype(), [&]<class T> {
            kernels::cross_entropy_backward(size, x.data<T>(), y.data<std::int64_t>(), data_or_null<T>(w), l.data<T>(),
                                            g.data<T>(), g.numel() == 1 ? 0 : 1, scale, dx.data<T>());
          });
          return Grads{dx};
        }
        const Tensor& targets = dx;
        const Tensor sums = Tensor::make("cross_entropy", l.shape(), x.dtype());
        dispatch_floating("cross_entropy", x.dtype(), [&]<class T> {
          kernels::class_targets(size, y.data<std::int64_t>(), data_or_null<T>(w), targets.data<T>(), sums.data<T>());
        });
        const Tensor p = softmax(x, x.dim() == 1 ? 0 : 1);
        return Grads{against_scores(g, x.shape()) * ((against_scores(sums, x.shape()) * p - targets) * scale)};
      });
}

}  // namespace gradus::nn
