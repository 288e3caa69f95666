#pragma once
#include "gradus/nn/conv.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/module.hpp"

namespace gradus::nn {

/// A Linear, Conv1d or Conv2d whose weight is g v / |v|, with a length g and a direction v for each output: each slice
/// of the weight along its first axis.
///
///   nn::WeightNorm layer{nn::Linear{784, 128}};
///
/// Input and output are the layer's. Parameters, as in PyTorch: "weight_g", of the weight's first size and 1 for the
/// others, "weight_v", of the weight's shape, and "bias". Takes over the tensors of the layer, and computes the same at
/// the start. A v that becomes 0 gives NaN; a weight with a slice of zeros throws. Salimans and Kingma, "Weight
/// normalization: a simple reparameterization to accelerate training of deep neural networks", 2016, equation 2.
template <class Layer>
class WeightNorm : public Module {
 public:
  Tensor weight_g, weight_v, bias;

  explicit WeightNorm(Layer layer);
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
  std::string type_name() const override { return "WeightNorm"; }

  /// For its options; its tensors have been taken over.
  const Layer& layer() const { return layer_; }
  /// g v / |v|. Differentiable.
  Tensor weight() const;

 private:
  Layer layer_;  // for its options; its tensors are taken out
};

extern template class WeightNorm<Linear>;
extern template class WeightNorm<Conv1d>;
extern template class WeightNorm<Conv2d>;

}  // namespace gradus::nn
