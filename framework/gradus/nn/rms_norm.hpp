#pragma once
#include <optional>

#include "gradus/nn/module.hpp"

namespace gradus::nn {

struct RMSNormOptions {
  std::optional<double> eps;  ///< without: the spacing of the type's numbers at 1, as in PyTorch
  bool elementwise_affine = true;
};

/// x / sqrt(mean of x^2 + eps) * weight over the last axes, each sample by itself: LayerNorm without the mean and the
/// shift (Zhang and Sennrich 2019).   x: (..., normalized_shape) -> the same.   Parameter: "weight" of that shape.
class RMSNorm : public Module {
 public:
  using Options = RMSNormOptions;
  Tensor weight;

  explicit RMSNorm(Index width, const Options& options = {}) : RMSNorm(Shape{width}, options) {}
  explicit RMSNorm(const Shape& normalized_shape, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override { v("weight", weight); }
  const Shape& normalized_shape() const { return normalized_shape_; }
  const Options& options() const { return options_; }

 private:
  Shape normalized_shape_;
  Options options_;
};

}  // namespace gradus::nn
