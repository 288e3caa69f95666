#pragma once
// For source files only: convolutions with 3x3 kernels by Winograd's minimal filtering, for kernels/conv.cpp.
#include "gradus/kernels/conv.hpp"

namespace gradus::kernels {

/// 3x3 kernels, stride and dilation 1, one group, padding of at most 2.
bool winograd_possible(const Conv2d& shape);
/// Possible, and faster than the other ways, as far as measured.
bool winograd_suits(const Conv2d& shape);

/// conv2d, conv2d_input_grad, conv2d_weight_grad and conv2d_grads for shapes for which they are possible and none of whose sizes is
/// 0. The results are the same bits for any number of threads. An infinite or NaN input makes all outputs of its tiles
/// of 4x4 NaN or infinite, not only those that see it.
template <class T>
void winograd_conv2d(const Conv2d& shape, const T* x, const T* w, const T* bias, T* y);
template <class T>
void winograd_input_grad(const Conv2d& shape, const T* g, const T* w, T* dx);
template <class T>
void winograd_weight_grad(const Conv2d& shape, const T* g, const T* x, T* dw);
template <class T>
void winograd_grads(const Conv2d& shape, const T* g, const T* x, const T* w, T* dx, T* dw);

}  // namespace gradus::kernels
