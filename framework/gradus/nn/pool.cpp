#include "gradus/nn/pool.hpp"

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"

namespace gradus::nn {
namespace {

// A mistake is named where the layer is made, not where it is first used.
void check(const char* layer, IntPair kernel, const Pool2dOptions& options) {
  if (kernel.height < 1 || kernel.width < 1 || options.stride.height < 0 || options.stride.width < 0 || options.padding.height < 0 ||
      options.padding.width < 0)
    failf(layer, "kernel {} x {}, stride {} x {}, padding {} x {}: the kernel must be at least 1, the others not negative",
          kernel.height, kernel.width, options.stride.height, options.stride.width, options.padding.height, options.padding.width);
}

}  // namespace

MaxPool2d::MaxPool2d(IntPair kernel, const Options& options) : kernel_(kernel), options_(options) { check("MaxPool2d", kernel, options); }
Tensor MaxPool2d::forward(const Tensor& x) {
  return functional::max_pool2d(x, kernel_, {.stride = options_.stride, .padding = options_.padding});
}

AvgPool2d::AvgPool2d(IntPair kernel, const Options& options) : kernel_(kernel), options_(options) { check("AvgPool2d", kernel, options); }
Tensor AvgPool2d::forward(const Tensor& x) {
  return functional::avg_pool2d(x, kernel_, {.stride = options_.stride, .padding = options_.padding});
}

Tensor GlobalAvgPool2d::forward(const Tensor& x) { return functional::global_avg_pool2d(x); }

}  // namespace gradus::nn
