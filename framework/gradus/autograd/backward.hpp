#pragma once
// Walking the tape backwards.
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus {

struct GradOptions {
  Tensor grad_output = {};    ///< gradient of the final quantity with respect to the output; default: one, for a scalar output
  bool retain_graph = false;  ///< keep the tape for another pass
  bool create_graph = false;  ///< record this pass, so that its result can be differentiated again; keeps the tape too
  bool allow_unused = false;  ///< an input that the output does not depend on gets zeros instead of an error
};

/// d output / d input, with the shape of `input`. Nothing is added to grad() of anything.
/// Throws when the output is no scalar and no grad_output is given, when it is not on the tape, when the tape was freed,
/// or when the input is unused.
Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options = {});
/// The same for several inputs in one pass.
std::vector<Tensor> grad(const Tensor& output, const std::vector<Tensor>& inputs, const GradOptions& options = {});

namespace autograd {

/// The general form: several outputs, each with its gradient (all defined), summed.
std::vector<Tensor> gradients(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs,
                              const std::vector<Tensor>& inputs, const GradOptions& options);

}  // namespace autograd
}  // namespace gradus
