#pragma once
// For source files only: convolutions with few results, for kernels/conv.cpp.
#include "gradus/kernels/conv.hpp"

namespace gradus::kernels {

/// Results, i.e. filters of the convolution or channels of its transpose, that the two functions below can do.
inline constexpr Index most_planar_results = 8;

/// conv2d and conv2d_input_grad for shapes of one group, none of whose sizes is 0. The results are the same bits for
/// any number of threads.
template <class T>
void planar_conv2d(const Conv2d& shape, const T* x, const T* w, const T* bias, T* y);
template <class T>
void planar_input_grad(const Conv2d& shape, const T* g, const T* w, T* dx);

}  // namespace gradus::kernels
