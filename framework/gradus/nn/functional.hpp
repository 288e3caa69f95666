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

struct MaxPool2dOptions {
  IntPair stride = 0;   ///< 0: the size of the kernel, so that the windows touch
  IntPair padding = 0;  ///< at most half of the kernel; padding is never the largest
};
/// The largest element of each window of x (N, channels, height, width), of size `kernel`. The first one among equals
/// gets the gradient. A window with a NaN gives NaN.
Tensor max_pool2d(const Tensor& x, IntPair kernel, const MaxPool2dOptions& options = {});

struct AvgPool2dOptions {
  IntPair stride = 0;             ///< 0: the size of the kernel
  IntPair padding = 0;            ///< zeros on either side, at most half of the kernel
  bool count_include_pad = true;  ///< whether these zeros count in the average
};
/// The average of each window of x (N, channels, height, width).
Tensor avg_pool2d(const Tensor& x, IntPair kernel, const AvgPool2dOptions& options = {});
/// Averages of windows chosen so that the result is (N, channels, size.height, size.width), whatever the input's size.
/// Window i of n covers the elements floor(i size / n) to ceil((i + 1) size / n).
Tensor adaptive_avg_pool2d(const Tensor& x, IntPair size);
/// The average of each channel: (N, channels).
Tensor global_avg_pool2d(const Tensor& x);

/// (x - mean) / sqrt(variance + eps) * weight + bias, over the last axes, whose sizes are `normalized_shape`; the
/// variance is the biased one. weight and bias have that shape, or are none. Ba, Kiros, Hinton, "Layer normalization",
/// 2016.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

}  // namespace gradus::nn::functional
