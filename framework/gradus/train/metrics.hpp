#pragma once
// Numbers that say how good a model is. Plain doubles, off the tape.
#include "gradus/tensor/tensor.hpp"

namespace gradus::train {

/// The share of rows of `scores` (n, classes) whose largest entry is at the label (n). NaN for n = 0.
double accuracy(const Tensor& scores, const Tensor& labels);

/// The share of rows whose label is among the k largest entries.
double top_k_accuracy(const Tensor& scores, const Tensor& labels, Index k);

/// Counts (true class, predicted class), int64 (classes, classes).
Tensor confusion_matrix(const Tensor& scores, const Tensor& labels);

/// 1 - sum (y - prediction)^2 / sum (y - mean(y))^2, over all elements.
double r2_score(const Tensor& prediction, const Tensor& target);

}  // namespace gradus::train
