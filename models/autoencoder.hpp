#pragma once
#include <string>
#include <vector>

#include "gradus/nn/sequential.hpp"

namespace gradus::models {

struct AutoencoderOptions {
  std::vector<Index> hidden = {128, 64};  ///< widths from the input to the code; the decoder has them in reverse
  Index code = 16;                        ///< how many numbers a sample is squeezed into
  std::string activation = "relu";        ///< any name that nn::activation knows
};

/// A sample squeezed into a short code and restored from it (Hinton and Salakhutdinov, "Reducing the dimensionality of
/// data with neural networks", 2006):
///
///   encoder: Flatten - (Linear - activation)* - Linear -> code,  decoder: the mirror image -> the shape of x
///
/// Code and output are linear, as there. x: (N, ...) with `inputs` numbers a sample -> the same shape; encoder(x): (N,
/// code). Train it with nn::mse_loss(model(x), x). State: "encoder." and "decoder." as mlp has them.
class Autoencoder : public nn::Module {
 public:
  using Options = AutoencoderOptions;
  nn::Sequential encoder, decoder;

  explicit Autoencoder(Index inputs, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(nn::Visitor& v) override;
};

}  // namespace gradus::models
