#pragma once
// For source files only: a layer with another weight and bias than its own.
#include "gradus/nn/conv.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/linear.hpp"

namespace gradus::nn {

inline Tensor forward_with(const Linear&, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return functional::linear(x, weight, bias);
}

inline Tensor forward_with(const Conv1d& layer, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Conv1d::Options& o = layer.options();
  return functional::conv1d(x, weight, bias,
                            {.stride = o.stride, .padding = o.padding, .dilation = o.dilation, .groups = o.groups});
}

inline Tensor forward_with(const Conv2d& layer, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Conv2d::Options& o = layer.options();
  return functional::conv2d(x, weight, bias,
                            {.stride = o.stride, .padding = o.padding, .dilation = o.dilation, .groups = o.groups});
}

/// Moves weight and bias out of a layer.
template <class Layer>
void take(Layer& layer, Tensor& weight, Tensor& bias) {
  weight = std::move(layer.weight);
  bias = std::move(layer.bias);
  layer.weight = layer.bias = Tensor{};
}

}  // namespace gradus::nn
