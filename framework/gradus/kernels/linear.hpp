#pragma once
// The affine map of a fully connected layer. T is float or double; matrices row-major and contiguous.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// y = x w^T + bias, with x (rows, in), w (out, in), bias (out) or null, y (rows, out).
template <class T>
void linear(const T* x, const T* weight, const T* bias, T* y, Index rows, Index in, Index out);

}  // namespace gradus::kernels
