#pragma once
// Two-dimensional convolution (cross-correlation, as in all deep learning) and its two gradients. T is float or double;
// arrays row-major and contiguous, outputs overlap no input. Sizes of 0 are fine. With more than one image results do
// not depend on the number of threads.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// x (batch, channels, height, width), w (filters, channels / groups, kernel_h, kernel_w), y (batch, filters, out_h,
/// out_w). The caller has checked that groups divides channels and filters and that out_h and out_w are not negative.
struct Conv2d {
  Index batch, channels, height, width;
  Index filters, kernel_h, kernel_w;
  Index stride_h = 1, stride_w = 1, padding_h = 0, padding_w = 0, dilation_h = 1, dilation_w = 1, groups = 1;
  Index out_h, out_w;

  /// The size of the output along an axis: the number of places where the spread-out kernel fits into the padded input.
  static constexpr Index out_size(Index size, Index kernel, Index stride, Index padding, Index dilation) {
    const Index rest = size + 2 * padding - dilation * (kernel - 1) - 1;
    return rest < 0 ? 0 : rest / stride + 1;
  }
  Index out_plane() const { return out_h * out_w; }
  Index plane() const { return height * width; }
  /// Input channels and filters of one group.
  Index group_channels() const { return channels / groups; }
  Index group_filters() const { return filters / groups; }
  /// Inputs of one output.
  Index window() const { return group_channels() * kernel_h * kernel_w; }
};

/// Whether convolutions of 3x3 kernels may be done by Winograd's minimal filtering (winograd.cpp), where that is
/// faster. At the start yes, unless the environment has GRADUS_WINOGRAD=0.
bool winograd_enabled();
void set_winograd(bool enabled);

/// y[n, f, i, j] = bias[f] + sum over c, p, q of w[f, c, p, q] x[n, c, i stride - padding + p dilation, ...], with
/// zeros outside x, and c running over the channels of f's group. `bias` may be null.
template <class T>
void conv2d(const Conv2d& shape, const T* x, const T* w, const T* bias, T* y);
/// dx, given g of y's shape: the transpose of conv2d as a linear map of x.
template <class T>
void conv2d_input_grad(const Conv2d& shape, const T* g, const T* w, T* dx);
/// dw, given g of y's shape: the transpose of conv2d as a linear map of w.
template <class T>
void conv2d_weight_grad(const Conv2d& shape, const T* g, const T* x, T* dw);
/// Both gradients at once, the same bits as one by one, sooner where they share work.
template <class T>
void conv2d_grads(const Conv2d& shape, const T* g, const T* x, const T* w, T* dx, T* dw);

}  // namespace gradus::kernels
