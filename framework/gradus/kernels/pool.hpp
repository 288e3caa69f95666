#pragma once
// Pooling over windows of planes (planes, height, width), row-major and contiguous. T is float or double.
#include <cstdint>
#include <vector>

#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// Windows of kernel_h x kernel_w, out_h x out_w of them. Padding is at most half of the kernel, so that each window
/// has an element of x.
struct MaxPool2d {
  Index planes, height, width;
  Index kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
  Index out_h, out_w;
};

/// y (planes, out_h, out_w) = the largest element of each window, the first one among equals, NaN when there is one;
/// `places` gets its place in the plane, row * width + column.
template <class T>
void max_pool2d(const MaxPool2d& shape, const T* x, T* y, std::int64_t* places);

/// The elements [begin, end) of an axis, each counting 1 / share.
struct Window {
  Index begin, end;
  double share;
};

/// A window for each output row and column; they may overlap and may be empty.
struct AveragePool2d {
  Index planes, height, width;
  std::vector<Window> rows, columns;
};

/// y (planes, rows, columns) = sum of the window / (share of the row window * share of the column window).
template <class T>
void average_pool2d(const AveragePool2d& shape, const T* x, T* y);
/// The transpose: dx = sum over the windows that hold the element of g / the same shares.
template <class T>
void average_pool2d_backward(const AveragePool2d& shape, const T* g, T* dx);

}  // namespace gradus::kernels
