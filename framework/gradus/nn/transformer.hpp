#pragma once
#include <optional>
#include <string>
#include <vector>

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
  Tensor operator()(const Tensor& x, const AttentionMask& mask) {
    return observed([&] { return forward(x, mask); }, x);
  }
  void visit(Visitor& v) override;

 private:
  bool norm_first_;
};

/// `depth` blocks one after another, and with norm_first a LayerNorm at the end, whose input nothing has normalised.
/// Unlike PyTorch's, the blocks start with numbers of their own, not with copies of the first.   Parameters:
/// "layers.0.", ... as TransformerBlock has them, "norm.weight", "norm.bias".
class TransformerEncoder : public Module {
 public:
  using Options = TransformerBlockOptions;
  std::vector<TransformerBlock> layers;
  std::optional<LayerNorm> norm;

  /// Throws unless depth >= 1.
  TransformerEncoder(Index width, Index heads, Index depth, const Options& options = {});
  Tensor forward(const Tensor& x) override { return forward(x, {}); }
  Tensor forward(const Tensor& x, const AttentionMask& mask);
  using Module::operator();
  Tensor operator()(const Tensor& x, const AttentionMask& mask) {
    return observed([&] { return forward(x, mask); }, x);
  }
  void visit(Visitor& v) override;
};

struct TransformerDecoderOptions {
  Index hidden = 0;                   ///< of the feed-forward network; 0: 4 width
  std::string feed_forward = "gelu";  ///< an activation's name, or "glu", "reglu", "geglu", "swiglu"
  bool causal = true;                 ///< the attention to x, that is; all of the memory is seen
  double dropout = 0.0;               ///< of attention weights, hidden features and all changes to x, in training
  bool norm_first = true;
  bool bias = true;  ///< in attention and feed-forward network; the gated ones have none anyway
  double layer_norm_eps = 1e-5;
};

struct DecoderMask {
  Tensor key_padding_mask = {};         ///< (N, length): places of x that are not seen where it is not 0
  Tensor memory_key_padding_mask = {};  ///< (N, memory length): the same for the memory
};

/// A block with attention to an encoder's output between the two parts of TransformerBlock: x (N, length, width) and
/// memory (N, memory length, width) -> the shape of x. Parameters are named as those of PyTorch's
/// TransformerDecoderLayer: "self_attn.", "multihead_attn." (to the memory), "linear1.", ..., "norm1.", "norm2.",
/// "norm3.".
class TransformerDecoderBlock : public Module {
 public:
  using Options = TransformerDecoderOptions;
  MultiheadAttention self_attn, multihead_attn;
  AnyModule feed_forward;
  LayerNorm norm1, norm2, norm3;
  Dropout dropout1, dropout2, dropout3;

  TransformerDecoderBlock(Index width, Index heads, const Options& options = {});
  using Module::forward;
  Tensor forward(const Tensor& x, const Tensor& memory, const DecoderMask& mask = {});
  Tensor operator()(const Tensor& x, const Tensor& memory, const DecoderMask& mask = {}) {
    return observed([&] { return forward(x, memory, mask); }, x, memory);
  }
  void visit(Visitor& v) override;

 private:
  bool norm_first_;
};

/// `depth` decoder blocks, all with the same memory, and with norm_first a LayerNorm at the end.   Parameters:
/// "layers.0.",
/// ... as TransformerDecoderBlock has them, "norm.weight", "norm.bias".
class TransformerDecoder : public Module {
 public:
  using Options = TransformerDecoderOptions;
  std::vector<TransformerDecoderBlock> layers;
  std::optional<LayerNorm> norm;

  /// Throws unless depth >= 1.
  TransformerDecoder(Index width, Index heads, Index depth, const Options& options = {});
  using Module::forward;
  Tensor forward(const Tensor& x, const Tensor& memory, const DecoderMask& mask = {});
  Tensor operator()(const Tensor& x, const Tensor& memory, const DecoderMask& mask = {}) {
    return observed([&] { return forward(x, memory, mask); }, x, memory);
  }
  void visit(Visitor& v) override;
};

}  // namespace gradus::nn
