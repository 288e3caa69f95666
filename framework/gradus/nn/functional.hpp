#pragma once
// The layers as functions: what nn::Linear, nn::LayerNorm, ... compute, with the weights as arguments.
#include <optional>

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

/// Whether convolutions with 3x3 kernels of stride 1, their gradients and transposes may be done by Winograd's minimal
/// filtering: a quarter of the multiplications, two to three times the rounding error of the direct sum, and an infinity
/// or NaN spreads over the tile of 4x4 outputs. At the start yes, unless the environment has GRADUS_WINOGRAD=0; the
/// setting holds for all threads. Small convolutions are direct in any case.
bool winograd_enabled();
void set_winograd(bool enabled);

struct Conv1dOptions {
  Index stride = 1;
  Index padding = 0;  ///< zeros on either side
  Index dilation = 1;
  Index groups = 1;
};
/// conv2d along one axis: x (N, channels, length), weight (filters, channels / groups, kernel), bias (filters) or none;
/// y (N, filters, out), with conv2d's formula for out.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv1dOptions& options = {});

struct ConvTranspose2dOptions {
  IntPair stride = 1;
  IntPair padding = 0;         ///< what the convolution pads, cut off here
  IntPair output_padding = 0;  ///< added to the result's size; less than the stride or the dilation
  IntPair dilation = 1;
  Index groups = 1;
};
/// The transpose of conv2d as a linear map of its input, i.e. its gradient: each element of x puts a copy of the kernel
/// into y. x (N, channels, height, width), weight (channels, filters / groups, kernel height, kernel width), bias
/// (filters) or none; y (N, filters, out height, out width), with
///   out = (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
/// conv2d with a stride maps several sizes to one; output_padding says which of them is wanted back.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose2dOptions& options = {});

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

/// x / sqrt(mean of x^2 + eps) * weight, over the last axes. eps defaults to the spacing of the type's numbers at 1, as
/// in PyTorch. Zhang, Sennrich, "Root mean square layer normalization", 2019.
Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                std::optional<double> eps = {});

/// The channels of x (N, channels, ...) in `groups` equal parts; each part of each sample is standardised on its own.
/// weight and bias (channels), or none. Wu, He, "Group normalization", 2018.
Tensor group_norm(const Tensor& x, Index groups, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);

/// Each channel of x (N, channels, ...) standardised over all samples and places; weight, bias, running_mean and
/// running_var have shape (channels), or are none. In training with the mean and the biased variance of the batch,
/// which then move the running ones in place by
///   running = (1 - momentum) running + momentum new,
/// the new variance being the unbiased one; otherwise with the running ones (those of the batch when there are none).
/// Ioffe, Szegedy, "Batch normalization", 2015. Throws in training when a channel has only one value.
Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight = {},
                  const Tensor& bias = {}, bool training = false, double momentum = 0.1, double eps = 1e-5);

struct SelfAttentionOptions {
  bool causal = false;  ///< place i sees the places up to i only
};
/// softmax(Q K^T / sqrt(width / heads)) V in each head (Vaswani et al. 2017, section 3.2), for queries, keys and values side by side: qkv
/// (N, length, 3 width) -> (N, length, width); head h has the h-th part of each width. Keeps qkv and two numbers for each query of each
/// head; the weights are computed again for the gradient (Dao et al., "FlashAttention", 2022, section 3.1).
Tensor self_attention(const Tensor& qkv, Index heads, const SelfAttentionOptions& options = {});

/// In training, each element becomes 0 with probability p, and the others are divided by 1 - p. The choice takes no
/// memory: it is drawn again for the gradient, from its place in `generator` (default: the default stream for dropout).
Tensor dropout(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

/// Dropout for networks of SELU: a dropped element takes the lowest value of SELU, then all are scaled and shifted so
/// that mean 0 and variance 1 stay. Klambauer et al., "Self-normalizing neural networks", 2017, section 3.
Tensor alpha_dropout(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

/// In training, each sample of x (N, ...) becomes 0 as a whole with probability p, and the others are divided by 1 - p.
Tensor drop_path(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

}  // namespace gradus::nn::functional
