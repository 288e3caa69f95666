#include "gradus/nn/pool.hpp"

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"

namespace gradus::nn {
namespace {

// A mistake is named where the layer is made, not where it is first used.
void check(const char* layer, IntPair kernel, IntPair stride, IntPair padding) {
  if (kernel.height < 1 || kernel.width < 1 || stride.height < 0 || stride.width < 0 || padding.height < 0 ||
      padding.width < 0)
    failf(layer,
          "kernel {} x {}, stride {} x {}, padding {} x {}: the kernel must be at least 1, the others not negative",
          kernel.height, kernel.width, stride.height, stride.width, padding.height, padding.width);
  if (padding.height > kernel.height / 2 || padding.width > kernel.width / 2)
    failf(layer, "the padding {} x {} is more than half of the kernel {} x {}: a window could miss the input",
          padding.height, padding.width, kernel.height, kernel.width);
}

}  // namespace

MaxPool2d::MaxPool2d(IntPair kernel, const Options& options) : kernel_(kernel), options_(options) {
  check("MaxPool2d", kernel, options.stride, options.padding);
}
Tensor MaxPool2d::forward(const Tensor& x) {
  return functional::max_pool2d(x, kernel_, {.stride = options_.stride, .padding = options_.padding});
}

AvgPool2d::AvgPool2d(IntPair kernel, const Options& options) : kernel_(kernel), options_(options) {
  check("AvgPool2d", kernel, options.stride, options.padding);
}
Tensor AvgPool2d::forward(const Tensor& x) {
  return functional::avg_pool2d(
      x, kernel_,
      {.stride = options_.stride, .padding = options_.padding, .count_include_pad = options_.count_include_pad});
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(IntPair size) : size_(size) {
  if (size.height < 1 || size.width < 1)
    failf("AdaptiveAvgPool2d", "images of {} x {}; at least 1 pixel a side is needed", size.height, size.width);
}
Tensor AdaptiveAvgPool2d::forward(const Tensor& x) { return functional::adaptive_avg_pool2d(x, size_); }

Tensor GlobalAvgPool2d::forward(const Tensor& x) { return functional::global_avg_pool2d(x); }

}  // namespace gradus::nn
