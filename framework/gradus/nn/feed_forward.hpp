#pragma once
// The networks that a Transformer applies to each place by itself, (..., width) -> (..., width).
#include <string>

#include "gradus/nn/activation.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/linear.hpp"

namespace gradus::nn {

struct FeedForwardOptions {
  std::string activation = "gelu";  ///< any name that nn::activation knows
  double dropout = 0.0;             ///< of the hidden features, in training
  bool bias = true;
};

/// W2 f(W1 x + b1) + b2 (Vaswani et al. 2017, section 3.3).   Parameters: "linear1.weight" (hidden, width),
/// "linear1.bias", "linear2.weight" (width, hidden), "linear2.bias".
class FeedForward : public Module {
 public:
  using Options = FeedForwardOptions;
  Linear linear1, linear2;
  Activation activation;
  Dropout dropout;

  FeedForward(Index width, Index hidden, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
};

struct GatedFeedForwardOptions {
  bool bias = false;
  double dropout = 0.0;  ///< of the hidden features, in training
};

/// W3 (f(W1 x) * W2 x): half of the hidden features decide how much of the other half passes (Shazeer 2020, "GLU
/// variants improve Transformer", equation 6).   Parameters: "linear1.weight", "linear2.weight" (hidden, width),
/// "linear3.weight" (width, hidden), and biases if asked for. matched_hidden gives the hidden width for as many
/// parameters as a FeedForward.
class GatedFeedForward : public Module {
 public:
  using Options = GatedFeedForwardOptions;
  Linear linear1, linear2, linear3;
  Activation activation;
  Dropout dropout;

  GatedFeedForward(Index width, Index hidden, const Activation& gate, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
};

/// The gate is a sigmoid (Dauphin et al. 2017).
struct GLU : GatedFeedForward {
  GLU(Index width, Index hidden, const Options& options = {}) : GatedFeedForward(width, hidden, Sigmoid(), options) {}
};
struct ReGLU : GatedFeedForward {
  ReGLU(Index width, Index hidden, const Options& options = {}) : GatedFeedForward(width, hidden, ReLU(), options) {}
};
struct GEGLU : GatedFeedForward {
  GEGLU(Index width, Index hidden, const Options& options = {}) : GatedFeedForward(width, hidden, GELU(), options) {}
};
struct SwiGLU : GatedFeedForward {
  SwiGLU(Index width, Index hidden, const Options& options = {}) : GatedFeedForward(width, hidden, SiLU(), options) {}
};

/// The hidden width at which a gated network, with three matrices, has as many weights as a FeedForward of width
/// `hidden`, with two: 2/3 of it (Shazeer 2020, section 3), to the nearest multiple of 8, at least 8. Throws unless
/// hidden >= 1.
Index matched_hidden(Index hidden);

}  // namespace gradus::nn
