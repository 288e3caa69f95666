#include "gradus/nn/clip.hpp"

#include <cmath>
#include <limits>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/vector_norm.hpp"
#include "gradus/ops/arithmetic.hpp"

namespace gradus::nn {

double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm, const ClipGradNormOptions& options) {
  if (!(max_norm >= 0)) failf("clip_grad_norm", "the largest norm is {}; it must be at least 0", max_norm);
  const double p = options.norm_type;
  if (!(p > 0)) failf("clip_grad_norm", "norm_type is {}; it must be positive", p);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double total = 0;
  for (const Tensor& parameter : parameters) {
    const Tensor g = parameter.grad();
    if (!g.defined()) continue;
    const double part = dispatch_floating("clip_grad_norm", g.dtype(),
                                          [&]<class T> { return kernels::power_sum(g.data<T>(), p, g.numel()); });
    if (p == infinity)
      total = part > total || std::isnan(part) ? part : total;
    else
      total += part;
  }
  if (p != infinity) total = p == 2 ? std::sqrt(total) : std::pow(total, 1 / p);
  if (options.error_if_nonfinite && !std::isfinite(total))
    failf("clip_grad_norm", "the norm of the gradients is {}; nothing was changed", total);
  // PyTorch's formula: the small number keeps a norm of 0 from dividing. A norm that is NaN makes all gradients NaN, so
  // that it is noticed.
  const double factor = max_norm / (total + 1e-6);
  if (factor >= 1) return total;
  const NoGrad no_grad;
  for (const Tensor& parameter : parameters)
    if (const Tensor g = parameter.grad(); g.defined()) g.detach().mul_(factor);
  return total;
}

void clip_grad_value(const std::vector<Tensor>& parameters, double limit) {
  if (!(limit >= 0)) failf("clip_grad_value", "the limit is {}; it must be at least 0", limit);
  const NoGrad no_grad;
  for (const Tensor& parameter : parameters)
    if (const Tensor g = parameter.grad(); g.defined()) g.detach().copy_(clamp(g.detach(), -limit, limit));
}

}  // namespace gradus::nn
