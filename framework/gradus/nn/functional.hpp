#pragma once
// The layers as functions: what nn::Linear, nn::LayerNorm, ... compute, with the weights as arguments.
#include "gradus/tensor/tensor.hpp"

namespace gradus::nn::functional {

/// y = x W^T + b, for each vector along the last axis. x (..., in), weight (out, in), bias (out) or none; y (..., out).
/// One product over all rows.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

/// (x - mean) / sqrt(variance + eps) * weight + bias, over the last axes, whose sizes are `normalized_shape`; the
/// variance is the biased one. weight and bias have that shape, or are none. Ba, Kiros, Hinton, "Layer normalization",
/// 2016.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

}  // namespace gradus::nn::functional
