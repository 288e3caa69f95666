#include "gradus/nn/group_norm.hpp"

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {

GroupNorm::GroupNorm(Index groups, Index channels, const Options& options)
    : groups_(groups), channels_(channels), options_(options) {
  if (channels < 1) failf("GroupNorm", "{} channels; at least 1 is needed", channels);
  if (groups < 1 || channels % groups != 0) failf("GroupNorm", "{} groups do not divide {} channels", groups, channels);
  if (!(options.eps > 0)) failf("GroupNorm", "eps is {}; it must be positive", options.eps);
  if (!options.affine) return;
  weight = ones({channels}, {.requires_grad = true});
  bias = zeros({channels}, {.requires_grad = true});
}

Tensor GroupNorm::forward(const Tensor& x) {
  if (x.dim() < 2 || x.shape()[1] != channels_)
    failf("group_norm", "GroupNorm takes (N, {}, ...), got shape {}", channels_, x.shape());
  return functional::group_norm(x, groups_, weight, bias, options_.eps);
}

void GroupNorm::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

}  // namespace gradus::nn
