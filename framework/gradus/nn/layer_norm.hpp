#pragma once
#include "gradus/nn/module.hpp"

namespace gradus::nn {

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;
  bool bias = true;
};

/// (x - mean) / sqrt(var + eps) * weight + bias over the last axes, each sample by itself (Ba, Kiros, Hinton 2016).
/// x: (..., normalized_shape) -> the same.   Parameters: "weight", "bias" of that shape.
class LayerNorm : public Module {
 public:
  using Options = LayerNormOptions;
  Tensor weight, bias;

  explicit LayerNorm(Index width, const Options& options = {}) : LayerNorm(Shape{width}, options) {}
  explicit LayerNorm(const Shape& normalized_shape, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
  const Shape& normalized_shape() const { return normalized_shape_; }
  const Options& options() const { return options_; }

 private:
  Shape normalized_shape_;
  Options options_;
};

}  // namespace gradus::nn
