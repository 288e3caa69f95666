#pragma once
#include "gradus/nn/int_pair.hpp"
#include "gradus/nn/module.hpp"

namespace gradus::nn {

/// Sizes are one number, or {height, width}.
struct Conv2dLayerOptions {
  IntPair stride = 1;
  IntPair padding = 0;
  IntPair dilation = 1;
  Index groups = 1;
  bool bias = true;
};

/// Cross-correlation of images with learned filters.   x: (N, in, H, W) -> (N, out, H', W'), with
/// H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, W' likewise.
/// Parameters: "weight" (out, in / groups, kernel height, kernel width), "bias" (out). Both start uniform in
/// [-1/sqrt(fan_in), 1/sqrt(fan_in)], as in PyTorch. Throws when x has another number of channels or is smaller than the kernel.
class Conv2d : public Module {
 public:
  using Options = Conv2dLayerOptions;
  Tensor weight, bias;

  Conv2d(Index in_channels, Index out_channels, IntPair kernel, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
  const Options& options() const { return options_; }

 private:
  Options options_;
};

}  // namespace gradus::nn
