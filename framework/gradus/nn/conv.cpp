#include "gradus/nn/conv.hpp"

#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {

Conv2d::Conv2d(Index in_channels, Index out_channels, IntPair kernel, const Options& options) : options_(options) {
  if (in_channels < 1 || out_channels < 1 || kernel.height < 1 || kernel.width < 1)
    failf("Conv2d", "{} channels in, {} out, a kernel of {} x {}; all must be at least 1", in_channels, out_channels, kernel.height,
          kernel.width);
  if (options.groups < 1 || in_channels % options.groups != 0 || out_channels % options.groups != 0)
    failf("Conv2d", "{} groups do not divide {} channels in and {} out", options.groups, in_channels, out_channels);
  const Index fan_in = in_channels / options.groups * kernel.height * kernel.width;
  const double bound = 1 / std::sqrt(double(fan_in));
  weight = empty({out_channels, in_channels / options.groups, kernel.height, kernel.width});
  init::uniform_(weight, -bound, bound);
  weight.requires_grad_();
  if (options.bias) {
    bias = empty({out_channels});
    init::uniform_(bias, -bound, bound);
    bias.requires_grad_();
  }
}

Tensor Conv2d::forward(const Tensor& x) {
  return functional::conv2d(x, weight, bias,
                            {.stride = options_.stride, .padding = options_.padding, .dilation = options_.dilation, .groups = options_.groups});
}

void Conv2d::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

}  // namespace gradus::nn
