#include "gradus/nn/layer_norm.hpp"

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {

LayerNorm::LayerNorm(const Shape& normalized_shape, const Options& options) : normalized_shape_(normalized_shape), options_(options) {
  if (!(options.eps > 0)) failf("LayerNorm", "eps is {}; it must be positive", options.eps);
  if (normalized_shape.empty()) fail("LayerNorm", "the normalised shape has no axes");
  for (const Index size : normalized_shape)
    if (size < 1) failf("LayerNorm", "the normalised shape {} has an axis of size {}", normalized_shape, size);
  if (!options.elementwise_affine) return;
  weight = ones(normalized_shape, {.requires_grad = true});
  if (options.bias) bias = zeros(normalized_shape, {.requires_grad = true});
}

Tensor LayerNorm::forward(const Tensor& x) { return functional::layer_norm(x, normalized_shape_, weight, bias, options_.eps); }

void LayerNorm::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

}  // namespace gradus::nn
