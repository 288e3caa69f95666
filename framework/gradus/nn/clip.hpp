#pragma once
// Keeping gradients in bounds, between backward() and step().
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus::nn {

struct ClipGradNormOptions {
  double norm_type = 2;             ///< p of the norm, above 0; infinity is the largest magnitude
  bool error_if_nonfinite = false;  ///< throw, changing nothing, when the norm is infinite or NaN
};

/// Scales the gradients of the parameters in place so that the norm of all of them together, as one vector, is at most
/// `max_norm`. Returns the norm before. Parameters without a gradient count for nothing. Pascanu, Mikolov, Bengio, "On
/// the difficulty of training recurrent neural networks", 2013.
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm, const ClipGradNormOptions& options = {});

/// Cuts each element of the gradients, in place, to [-limit, limit].
void clip_grad_value(const std::vector<Tensor>& parameters, double limit);

}  // namespace gradus::nn
