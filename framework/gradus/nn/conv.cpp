#include "gradus/nn/conv.hpp"

#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {

namespace {

void check(const char* layer, Index in_channels, Index out_channels, Index groups) {
  if (in_channels < 1 || out_channels < 1)
    failf(layer, "{} channels in, {} out; both must be at least 1", in_channels, out_channels);
  if (groups < 1 || in_channels % groups != 0 || out_channels % groups != 0)
    failf(layer, "{} groups do not divide {} channels in and {} out", groups, in_channels, out_channels);
}

void check_kernel(const char* layer, IntPair kernel) {
  if (kernel.height < 1 || kernel.width < 1)
    failf(layer, "a kernel of {} x {}; it must be at least 1", kernel.height, kernel.width);
}

// Both uniform in [-1/sqrt(fan_in), 1/sqrt(fan_in)], where PyTorch takes fan_in from all axes of the weight but the
// first.
void make(Tensor& weight, Tensor& bias, const Shape& shape, Index filters, bool with_bias) {
  const double bound = 1 / std::sqrt(double(shape.product(1, shape.size())));
  weight = empty(shape);
  init::uniform_(weight, -bound, bound);
  weight.requires_grad_();
  if (!with_bias) return;
  bias = empty({filters});
  init::uniform_(bias, -bound, bound);
  bias.requires_grad_();
}

}  // namespace

Conv2d::Conv2d(Index in_channels, Index out_channels, IntPair kernel, const Options& options) : options_(options) {
  check("Conv2d", in_channels, out_channels, options.groups);
  check_kernel("Conv2d", kernel);
  make(weight, bias, {out_channels, in_channels / options.groups, kernel.height, kernel.width}, out_channels,
       options.bias);
}

Tensor Conv2d::forward(const Tensor& x) {
  return functional::conv2d(x, weight, bias,
                            {.stride = options_.stride,
                             .padding = options_.padding,
                             .dilation = options_.dilation,
                             .groups = options_.groups});
}

void Conv2d::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

Conv1d::Conv1d(Index in_channels, Index out_channels, Index kernel, const Options& options) : options_(options) {
  check("Conv1d", in_channels, out_channels, options.groups);
  if (kernel < 1) failf("Conv1d", "a kernel of {}; it must be at least 1", kernel);
  make(weight, bias, {out_channels, in_channels / options.groups, kernel}, out_channels, options.bias);
}

Tensor Conv1d::forward(const Tensor& x) {
  return functional::conv1d(x, weight, bias,
                            {.stride = options_.stride,
                             .padding = options_.padding,
                             .dilation = options_.dilation,
                             .groups = options_.groups});
}

void Conv1d::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

ConvTranspose2d::ConvTranspose2d(Index in_channels, Index out_channels, IntPair kernel, const Options& options)
    : options_(options) {
  check("ConvTranspose2d", in_channels, out_channels, options.groups);
  check_kernel("ConvTranspose2d", kernel);
  make(weight, bias, {in_channels, out_channels / options.groups, kernel.height, kernel.width}, out_channels,
       options.bias);
}

Tensor ConvTranspose2d::forward(const Tensor& x) {
  return functional::conv_transpose2d(x, weight, bias,
                                      {.stride = options_.stride,
                                       .padding = options_.padding,
                                       .output_padding = options_.output_padding,
                                       .dilation = options_.dilation,
                                       .groups = options_.groups});
}

void ConvTranspose2d::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

}  // namespace gradus::nn
