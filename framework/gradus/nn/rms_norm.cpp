#include "gradus/nn/rms_norm.hpp"

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {

RMSNorm::RMSNorm(const Shape& normalized_shape, const Options& options)
    : normalized_shape_(normalized_shape), options_(options) {
  if (options.eps && !(*options.eps > 0)) failf("RMSNorm", "eps is {}; it must be positive", *options.eps);
  if (normalized_shape.empty()) fail("RMSNorm", "the normalised shape has no axes");
  for (const Index size : normalized_shape)
    if (size < 1) failf("RMSNorm", "the normalised shape {} has an axis of size {}", normalized_shape, size);
  if (options.elementwise_affine) weight = ones(normalized_shape, {.requires_grad = true});
}

Tensor RMSNorm::forward(const Tensor& x) { return functional::rms_norm(x, normalized_shape_, weight, options_.eps); }

}  // namespace gradus::nn
