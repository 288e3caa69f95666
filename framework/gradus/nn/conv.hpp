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
/// [-1/sqrt(fan_in), 1/sqrt(fan_in)], as in PyTorch. Throws when x has another number of channels or is smaller than
/// the kernel.
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

struct Conv1dLayerOptions {
  Index stride = 1;
  Index padding = 0;
  Index dilation = 1;
  Index groups = 1;
  bool bias = true;
};

/// Conv2d along one axis.   x: (N, in, L) -> (N, out, L').   Parameters: "weight" (out, in / groups, kernel), "bias"
/// (out).
class Conv1d : public Module {
 public:
  using Options = Conv1dLayerOptions;
  Tensor weight, bias;

  Conv1d(Index in_channels, Index out_channels, Index kernel, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
  const Options& options() const { return options_; }

 private:
  Options options_;
};

struct ConvTranspose2dLayerOptions {
  IntPair stride = 1;
  IntPair padding = 0;
  IntPair output_padding = 0;
  IntPair dilation = 1;
  Index groups = 1;
  bool bias = true;
};

/// The transpose of Conv2d: makes images larger where that one, with the same options, makes them smaller.
/// x: (N, in, H, W) -> (N, out, H', W'), with H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding
/// + 1, W' likewise. Parameters: "weight" (in, out / groups, kernel height, kernel width), "bias" (out), which start as
/// PyTorch's do: uniform in
/// [-1/sqrt(f), 1/sqrt(f)] with f = out / groups * kernel height * kernel width.
class ConvTranspose2d : public Module {
 public:
  using Options = ConvTranspose2dLayerOptions;
  Tensor weight, bias;

  ConvTranspose2d(Index in_channels, Index out_channels, IntPair kernel, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
  const Options& options() const { return options_; }

 private:
  Options options_;
};

}  // namespace gradus::nn
