#pragma once
#include "gradus/nn/int_pair.hpp"
#include "gradus/nn/module.hpp"

namespace gradus::nn {

struct Pool2dOptions {
  IntPair stride = 0;   ///< 0: the kernel's size
  IntPair padding = 0;
};

/// The largest value of each window.   x: (N, C, H, W) -> (N, C, H', W'), H' = floor((H + 2 padding - kernel) / stride) + 1.
class MaxPool2d : public Module {
 public:
  using Options = Pool2dOptions;
  explicit MaxPool2d(IntPair kernel, const Options& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  IntPair kernel_;
  Options options_;
};

/// The mean of each window, padding counted as zeros (PyTorch's default).
class AvgPool2d : public Module {
 public:
  using Options = Pool2dOptions;
  explicit AvgPool2d(IntPair kernel, const Options& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  IntPair kernel_;
  Options options_;
};

/// The mean over each image.   x: (N, C, H, W) -> (N, C).
class GlobalAvgPool2d : public Module {
 public:
  Tensor forward(const Tensor& x) override;
};

}  // namespace gradus::nn
