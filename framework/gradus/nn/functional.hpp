#pragma once
// The layers as functions: what nn::Linear, nn::LayerNorm, ... compute, with the weights as arguments.
#include "gradus/nn/int_pair.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus::nn::functional {

/// y = x W^T + b, for each vector along the last axis. x (..., in), weight (out, in), bias (out) or none; y (..., out).
/// One product over all rows.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

/// Sizes are one number, or {height, width}.
struct Conv2dOptions {
  IntPair stride = 1;
  IntPair padding = 0;   ///< zeros on either side
  IntPair dilation = 1;  ///< distance between neighbouring elements of the kernel
  Index groups = 1;      ///< channels and filters are split into this many parts, each seeing its own
};

/// Each filter slides over the image (cross-correlation). x (N, channels, height, width), weight (filters, channels /
/// groups, kernel height, kernel width), bias (filters) or none; y (N, filters, out height, out width), with
///   out = floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
/// With more than one image, results do not depend on the number of threads.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv2dOptions& options = {});

/// (x - mean) / sqrt(variance + eps) * weight + bias, over the last axes, whose sizes are `normalized_shape`; the
/// variance is the biased one. weight and bias have that shape, or are none. Ba, Kiros, Hinton, "Layer normalization",
/// 2016.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

}  // namespace gradus::nn::functional
