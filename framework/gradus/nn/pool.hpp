#pragma once
#include "gradus/nn/int_pair.hpp"
#include "gradus/nn/module.hpp"

namespace gradus::nn {

struct Pool2dOptions {
  IntPair stride = 0;   ///< 0: the kernel's size
  IntPair padding = 0;  ///< at most half of the kernel
};

/// The largest value of each window.   x: (N, C, H, W) -> (N, C, H', W'), H' = floor((H + 2 padding - kernel) / stride)
/// + 1.
class MaxPool2d : public Module {
 public:
  using Options = Pool2dOptions;
  explicit MaxPool2d(IntPair kernel, const Options& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  IntPair kernel_;
  Options options_;
};

struct AvgPool2dLayerOptions {
  IntPair stride = 0;             ///< 0: the kernel's size
  IntPair padding = 0;            ///< at most half of the kernel
  bool count_include_pad = true;  ///< whether padding counts, as zeros
};

/// The mean of each window, of sizes as in MaxPool2d.
class AvgPool2d : public Module {
 public:
  using Options = AvgPool2dLayerOptions;
  explicit AvgPool2d(IntPair kernel, const Options& options = {});
  Tensor forward(const Tensor& x) override;

 private:
  IntPair kernel_;
  Options options_;
};

/// Means of windows chosen so that each image comes out in one size.   x: (N, C, H, W) -> (N, C, size). Window i of n
/// covers the elements floor(i H / n) to ceil((i + 1) H / n).
class AdaptiveAvgPool2d : public Module {
 public:
  explicit AdaptiveAvgPool2d(IntPair size);
  Tensor forward(const Tensor& x) override;

 private:
  IntPair size_;
};

/// The mean over each image.   x: (N, C, H, W) -> (N, C).
class GlobalAvgPool2d : public Module {
 public:
  Tensor forward(const Tensor& x) override;
};

}  // namespace gradus::nn
