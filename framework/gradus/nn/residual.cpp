#include "gradus/nn/residual.hpp"

#include "gradus/core/format.hpp"
#include "gradus/ops/arithmetic.hpp"

namespace gradus::nn {
namespace {

// A mistake is named after the block, not after the first of its layers that minds. Returns in_channels.
Index checked(const char* block, Index in_channels, Index out_channels, const ResidualBlockOptions& options) {
  if (in_channels < 1 || out_channels < 1)
    failf(block, "{} channels in, {} out; both must be at least 1", in_channels, out_channels);
  if (options.stride.height < 1 || options.stride.width < 1)
    failf(block, "the stride is ({}, {}); it must be at least 1", options.stride.height, options.stride.width);
  return in_channels;
}

bool changes_shape(Index in_channels, Index out_channels, const ResidualBlockOptions& options) {
  return in_channels != out_channels || options.stride != IntPair{1};
}

// Padding 1 keeps the size at stride 1, and at any other stride gives the size that the 1x1 convolution gives.
Conv2d conv3x3(Index in_channels, Index out_channels, IntPair stride) {
  return Conv2d{in_channels, out_channels, 3, {.stride = stride, .padding = 1, .bias = false}};
}

Conv2d conv1x1(Index in_channels, Index out_channels, IntPair stride) {
  return Conv2d{in_channels, out_channels, 1, {.stride = stride, .bias = false}};
}

}  // namespace

PreActBlock::PreActBlock(Index in_channels, Index out_channels, const Options& options)
    : bn1(checked("PreActBlock", in_channels, out_channels, options)),
      conv1(conv3x3(in_channels, out_channels, options.stride)),
      bn2(out_channels),
      conv2(conv3x3(out_channels, out_channels, 1)),
      activation(nn::activation(options.activation)) {
  if (changes_shape(in_channels, out_channels, options)) shortcut = conv1x1(in_channels, out_channels, options.stride);
}

Tensor PreActBlock::forward(const Tensor& x) {
  const Tensor active = activation(bn1(x));
  const Tensor change = conv2(activation(bn2(conv1(active))));
  return change + (shortcut ? (*shortcut)(active) : x);
}

void PreActBlock::visit(Visitor& v) {
  v("bn1", bn1);
  v("conv1", conv1);
  v("bn2", bn2);
  v("conv2", conv2);
  if (shortcut) v("shortcut", *shortcut);
  v("activation", activation);
}

PostActBlock::PostActBlock(Index in_channels, Index out_channels, const Options& options)
    : conv1(conv3x3(checked("PostActBlock", in_channels, out_channels, options), out_channels, options.stride)),
      bn1(out_channels),
      conv2(conv3x3(out_channels, out_channels, 1)),
      bn2(out_channels),
      activation(nn::activation(options.activation)) {
  if (changes_shape(in_channels, out_channels, options))
    shortcut.emplace(conv1x1(in_channels, out_channels, options.stride), BatchNorm2d{out_channels});
}

Tensor PostActBlock::forward(const Tensor& x) {
  const Tensor change = bn2(conv2(activation(bn1(conv1(x)))));
  return activation(change + (shortcut ? (*shortcut)(x) : x));
}

void PostActBlock::visit(Visitor& v) {
  v("conv1", conv1);
  v("bn1", bn1);
  v("conv2", conv2);
  v("bn2", bn2);
  if (shortcut) v("shortcut", *shortcut);
  v("activation", activation);
}

}  // namespace gradus::nn
