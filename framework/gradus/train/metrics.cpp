#include "gradus/train/metrics.hpp"

#include <limits>

#include "gradus/core/format.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::train {
namespace {

void check(const char* operation, const Tensor& scores, const Tensor& labels) {
  check_floating(operation, scores);
  if (labels.dtype() != int64) failf(operation, "labels are {}; they must be int64 classes", labels.dtype());
  if (scores.dim() != 2 || labels.dim() != 1 || scores.shape()[0] != labels.shape()[0])
    failf(operation, "scores of shape {} and labels of shape {}; (n, classes) and (n) are needed", scores.shape(), labels.shape());
  if (scores.shape()[1] == 0) failf(operation, "scores of shape {} have no classes", scores.shape());
  const std::int64_t* y = labels.data<std::int64_t>();
  for (Index i = 0; i < labels.numel(); ++i)
    if (y[i] < 0 || y[i] >= scores.shape()[1])
      failf(operation, "label {} at row {} is not in [0, {})", y[i], i, scores.shape()[1]);
}

}  // namespace

double accuracy(const Tensor& scores, const Tensor& labels) {
  check("accuracy", scores, labels);
  if (labels.numel() == 0) return std::numeric_limits<double>::quiet_NaN();
  const Tensor predicted = argmax(scores.detach(), 1);
  Index right = 0;
  for (Index i = 0; i < labels.numel(); ++i)
    right += predicted.data<std::int64_t>()[i] == labels.data<std::int64_t>()[i] ? 1 : 0;
  return double(right) / double(labels.numel());
}

double top_k_accuracy(const Tensor& scores, const Tensor& labels, Index k) {
  check("top_k_accuracy", scores, labels);
  if (k < 1) failf("top_k_accuracy", "k is {}; at least 1 is needed", k);
  if (labels.numel() == 0) return std::numeric_limits<double>::quiet_NaN();
  const Index classes = scores.shape()[1];
  Index right = 0;
  dispatch_floating("top_k_accuracy", scores.dtype(), [&]<class T> {
    for (Index i = 0; i < labels.numel(); ++i) {
      const T* row = scores.data<T>() + i * classes;
      const Index label = labels.data<std::int64_t>()[i];
      Index above = 0;  // ties count as in argmax: the first one wins
      for (Index c = 0; c < classes; ++c) above += row[c] > row[label] || (row[c] == row[label] && c < label) ? 1 : 0;
      right += above < k && row[label] == row[label] ? 1 : 0;
    }
  });
  return double(right) / double(labels.numel());
}

Tensor confusion_matrix(const Tensor& scores, const Tensor& labels) {
  check("confusion_matrix", scores, labels);
  const Index classes = scores.shape()[1];
  Tensor counts = zeros({classes, classes}, {.dtype = int64});
  const Tensor predicted = argmax(scores.detach(), 1);
  for (Index i = 0; i < labels.numel(); ++i)
    ++counts.data<std::int64_t>()[labels.data<std::int64_t>()[i] * classes + predicted.data<std::int64_t>()[i]];
  return counts;
}

double r2_score(const Tensor& prediction, const Tensor& target) {
  check_same_dtype("r2_score", prediction, target);
  check_floating("r2_score", target);
  if (prediction.shape() != target.shape())
    failf("r2_score", "predictions of shape {} and targets of shape {}", prediction.shape(), target.shape());
  return dispatch_floating("r2_score", target.dtype(), [&]<class T> {
    const T *p = prediction.data<T>(), *y = target.data<T>();
    const Index n = target.numel();
    double average = 0, residual = 0, total = 0;
    for (Index i = 0; i < n; ++i) average += double(y[i]) / double(n);
    for (Index i = 0; i < n; ++i) {
      residual += (double(y[i]) - double(p[i])) * (double(y[i]) - double(p[i]));
      total += (double(y[i]) - average) * (double(y[i]) - average);
    }
    return 1 - residual / total;
  });
}

}  // namespace gradus::train
