#pragma once
#include <string>

#include "gradus/nn/attention.hpp"
#include "gradus/nn/feed_forward.hpp"
#include "gradus/nn/layer_norm.hpp"

namespace gradus::nn {

struct TransformerBlockOptions {
  Index hidden = 0;                   ///< of the feed-forward network; 0: 4 width
  std::string feed_forward = "gelu";  ///< an activation's name, or "glu", "reglu", "geglu", "swiglu"
  bool causal = false;
  double dropout = 0.0;  ///< of attention weights, hidden features and both changes to x, in training
  bool norm_first = true;
  bool bias = true;  ///< in attention and feed-forward network; the gated ones have none anyway
  double layer_norm_eps = 1e-5;
};

/// Attention, then a feed-forward network, each added to what it got: x (N, length, width) -> the same. With norm_first
///   x = x + attention(norm1(x)),  x = x + feed_forward(norm2(x))
/// (Xiong et al. 2020, "On layer normalization in the Transformer architecture"), otherwise as in Vaswani et al. 2017
///   x = norm1(x + attention(x)),  x = norm2(x + feed_forward(x)).
/// A gated network is matched_hidden(hidden) wide, so that the number of weights stays.
/// Parameters are named as those of PyTorch's TransformerEncoderLayer: "self_attn.in_proj_weight", ...,
/// "linear1.weight",
/// ..., "norm1.weight", ...; a gated network adds "linear3.weight".
class TransformerBlock : public Module {
 public:
  using Options = TransformerBlockOptions;
  MultiheadAttention self_attn;
  AnyModule feed_forward;
  LayerNorm norm1, norm2;
  Dropout dropout1, dropout2;

  TransformerBlock(Index width, Index heads, const Options& options = {});
  Tensor forward(const Tensor& x) override { return forward(x, {}); }
  Tensor forward(const Tensor& x, const AttentionMask& mask);
  using Module::operator();
  Tensor operator()(const Tensor& x, const AttentionMask& mask) { return forward(x, mask); }
  void visit(Visitor& v) override;

 private:
  bool norm_first_;
};

}  // namespace gradus::nn
