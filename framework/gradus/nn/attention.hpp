#pragma once
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/linear.hpp"

namespace gradus::nn {

struct MultiheadAttentionOptions {
  bool causal = false;   ///< place i sees the places up to i only
  double dropout = 0.0;  ///< of the attention weights, in training
  bool bias = true;
};

struct AttentionMask {
  Tensor key_padding_mask = {};  ///< (N, key length), any type: keys where it is not 0 are not seen
};

/// softmax(Q K^T / sqrt(width / heads)) V in each head, between linear maps in and out (Vaswani et al. 2017,
/// section 3.2). x (N, length, width) -> the same; unlike PyTorch's default, the batch comes first. Parameters, named
/// and initialised as those of PyTorch: "in_proj_weight" (3 width, width), for Q, K and V one below the other,
/// "in_proj_bias" (3 width), "out_proj.weight" (width, width), "out_proj.bias". A query that sees no key at all gets 0
/// for the weighted sum (and thus the bias of out_proj).
class MultiheadAttention : public Module {
 public:
  using Options = MultiheadAttentionOptions;
  Tensor in_proj_weight, in_proj_bias;
  Linear out_proj;
  Dropout dropout;

  /// Throws unless heads divides width.
  MultiheadAttention(Index width, Index heads, const Options& options = {});
  /// Self-attention: queries, keys and values are all made of x.
  Tensor forward(const Tensor& x) override { return forward(x, x, x); }
  Tensor forward(const Tensor& x, const AttentionMask& mask) { return forward(x, x, x, mask); }
  /// query (N, length, width), key and value (N, key length, width) -> (N, length, width). If causal, the lengths are
  /// equal.
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMask& mask = {});
  using Module::operator();
  Tensor operator()(const Tensor& x, const AttentionMask& mask) {
    return observed([&] { return forward(x, mask); }, x);
  }
  Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMask& mask = {}) {
    return observed([&] { return forward(query, key, value, mask); }, query, key, value);
  }
  void visit(Visitor& v) override;

 private:
  Tensor project(const Tensor& x, Index part) const;

  Index width_, heads_;
  bool causal_;
};

}  // namespace gradus::nn
