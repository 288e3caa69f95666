#pragma once
// For source files only: convolutions as sums of shifted products, for kernels/conv.cpp.
#include "gradus/kernels/conv.hpp"

namespace gradus::kernels {

/// conv2d, conv2d_input_grad and conv2d_weight_grad for shapes of one group, none of whose sizes is 0. The results are
/// the same bits for any number of threads.
template <class T>
void direct_conv2d(const Conv2d& shape, const T* x, const T* w, const T* bias, T* y);
template <class T>
void direct_input_grad(const Conv2d& shape, const T* g, const T* w, T* dx);
template <class T>
void direct_weight_grad(const Conv2d& shape, const T* g, const T* x, T* dw);

}  // namespace gradus::kernels
