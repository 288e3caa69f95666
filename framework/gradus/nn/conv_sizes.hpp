#pragma once
// For source files only.
#include "gradus/kernels/conv.hpp"
#include "gradus/nn/int_pair.hpp"

namespace gradus::nn {

/// What a convolution with these options works on, its kernels' way: an image (N, channels, height, width), a weight
/// (filters, ..., kernel height, kernel width), and the size of the result. Nothing is checked.
template <class Options>
kernels::Conv2d conv_sizes(const Options& o, const Shape& image, const Shape& weight, const IntPair& out) {
  return {.batch = image[0],
          .channels = image[1],
          .height = image[2],
          .width = image[3],
          .filters = weight[0],
          .kernel_h = weight[2],
          .kernel_w = weight[3],
          .stride_h = o.stride.height,
          .stride_w = o.stride.width,
          .padding_h = o.padding.height,
          .padding_w = o.padding.width,
          .dilation_h = o.dilation.height,
          .dilation_w = o.dilation.width,
          .groups = o.groups,
          .out_h = out.height,
          .out_w = out.width};
}

}  // namespace gradus::nn
