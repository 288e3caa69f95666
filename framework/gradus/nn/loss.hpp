#pragma once
// Losses: how far a prediction is from its target, as a scalar to call backward() on. Names and defaults are PyTorch's.
#include "gradus/tensor/tensor.hpp"

namespace gradus::nn {

/// What becomes of the losses of the single elements (or samples, for the losses of classification).
enum class Reduction { mean, sum, none };

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

}  // namespace gradus::nn
