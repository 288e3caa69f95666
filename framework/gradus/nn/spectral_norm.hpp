#pragma once
#include "gradus/nn/conv.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/module.hpp"

namespace gradus::nn {

struct SpectralNormOptions {
  Index n_power_iterations = 1;  ///< for each forward in training
  double eps = 1e-12;            ///< a norm below this counts as this
};

/// A Linear, Conv1d or Conv2d whose weight is divided by its largest singular value sigma: as a map of vectors (of
/// patches, for convolutions) it has Lipschitz constant 1.
///
///   nn::SpectralNorm layer{nn::Conv2d{3, 16, 3}};
///
/// sigma = u . W v, with W the weight as a matrix (out, everything else) and u, v estimates of the first singular
/// vectors that each forward in training improves by v = W^T u / |W^T u|, u = W v / |W v|; eval mode leaves them as
/// they are. They count as constants for the gradient. Input and output are the layer's. Parameters and buffers, as in
/// PyTorch: "weight_orig", "bias", "weight_u" (out), "weight_v" (everything else). Takes over the tensors of the layer;
/// u and v start with 15 iterations from normal numbers of the stream for initialisation. A weight of 0 throws. Miyato,
/// Kataoka, Koyama, Yoshida, "Spectral normalization for generative adversarial networks", 2018, algorithm 1.
template <class Layer>
class SpectralNorm : public Module {
 public:
  using Options = SpectralNormOptions;
  Tensor weight_orig, bias, weight_u, weight_v;

  explicit SpectralNorm(Layer layer, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
  std::string type_name() const override { return "SpectralNorm"; }

  /// For its options; its tensors have been taken over.
  const Layer& layer() const { return layer_; }
  /// W / sigma with u and v as they are. Differentiable.
  Tensor weight() const;
  /// The estimate of the largest singular value. Differentiable.
  Tensor sigma() const;

 private:
  void iterate(Index times);

  Layer layer_;  // for its options; its tensors are taken out
  Options options_;
};

extern template class SpectralNorm<Linear>;
extern template class SpectralNorm<Conv1d>;
extern template class SpectralNorm<Conv2d>;

}  // namespace gradus::nn
