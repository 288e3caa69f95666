#pragma once
// Softmax along one axis.
#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// exp(x) / sum(exp(x)) along `axis`, without overflow. A slice of nothing but -inf gives NaN.
Tensor softmax(const Tensor& x, Index axis);
/// log(softmax(x)), accurate where the probability is tiny.
Tensor log_softmax(const Tensor& x, Index axis);

}  // namespace gradus
