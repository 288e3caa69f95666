#pragma once
#include "gradus/nn/module.hpp"

namespace gradus::nn {

struct LinearOptions {
  bool bias = true;
};

/// y = x W^T + b.   x: (..., in) -> y: (..., out).   Parameters: "weight" (out, in), "bias" (out).
/// Both start uniform in [-1/sqrt(in), 1/sqrt(in)], as in PyTorch. Throws when the last axis of x is not `in`.
class Linear : public Module {
 public:
  using Options = LinearOptions;
  Tensor weight, bias;

  Linear(Index in_features, Index out_features, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
};

}  // namespace gradus::nn
