#include "gradus/nn/transformer.hpp"

#include "gradus/core/format.hpp"
#include "gradus/ops/arithmetic.hpp"

namespace gradus::nn {
namespace {

template <class Options>
AnyModule make_feed_forward(const char* layer, Index width, const Options& options) {
  if (options.hidden < 0) failf(layer, "a hidden width of {}; it must be positive, or 0 for 4 width", options.hidden);
  const Index hidden = options.hidden == 0 ? 4 * width : options.hidden;
  const GatedFeedForwardOptions gated{.dropout = options.dropout};
  if (options.feed_forward == "glu") return GLU{width, matched_hidden(hidden), gated};
  if (options.feed_forward == "reglu") return ReGLU{width, matched_hidden(hidden), gated};
  if (options.feed_forward == "geglu") return GEGLU{width, matched_hidden(hidden), gated};
  if (options.feed_forward == "swiglu") return SwiGLU{width, matched_hidden(hidden), gated};
  return FeedForward{
      width, hidden, {.activation = options.feed_forward, .dropout = options.dropout, .bias = options.bias}};
}

// One part of a block: f changes x, with the norm before f or after the sum.
template <class F>
Tensor residual(bool norm_first, const Tensor& x, LayerNorm& norm, Dropout& dropout, F&& f) {
  return norm_first ? x + dropout(f(norm(x))) : norm(x + dropout(f(x)));
}

template <class Block, class Options>
void stack(const char* name, std::vector<Block>& layers, std::optional<LayerNorm>& norm, Index width, Index heads,
           Index depth, const Options& options) {
  if (depth < 1) failf(name, "a depth of {} blocks; at least 1 is needed", depth);
  for (Index i = 0; i < depth; ++i) layers.emplace_back(width, heads, options);
  if (options.norm_first) norm.emplace(width, LayerNormOptions{.eps = options.layer_norm_eps});
}

}  // namespace

TransformerBlock::TransformerBlock(Index width, Index heads, const Options& options)
    : self_attn(width, heads, {.causal = options.causal, .dropout = options.dropout, .bias = options.bias}),
      feed_forward(make_feed_forward("TransformerBlock", width, options)),
      norm1(width, {.eps = options.layer_norm_eps}),
      norm2(width, {.eps = options.layer_norm_eps}),
      dropout1(options.dropout),
      dropout2(options.dropout),
      norm_first_(options.norm_first) {}

Tensor TransformerBlock::forward(const Tensor& x, const AttentionMask& mask) {
  const Tensor y = residual(norm_first_, x, norm1, dropout1, [&](const Tensor& h) { return self_attn(h, mask); });
  return residual(norm_first_, y, norm2, dropout2, feed_forward);
}

void TransformerBlock::visit(Visitor& v) {
  v("self_attn", self_attn);
  v("", feed_forward);
  v("norm1", norm1);
  v("norm2", norm2);
  v("dropout1", dropout1);
  v("dropout2", dropout2);
}

TransformerEncoder::TransformerEncoder(Index width, Index heads, Index depth, const Options& options) {
  stack("TransformerEncoder", layers, norm, width, heads, depth, options);
}

Tensor TransformerEncoder::forward(const Tensor& x, const AttentionMask& mask) {
  Tensor y = x;
  for (TransformerBlock& layer : layers) y = layer(y, mask);
  return norm ? (*norm)(y) : y;
}

void TransformerEncoder::visit(Visitor& v) {
  v("layers", layers);
  if (norm) v("norm", *norm);
}

TransformerDecoderBlock::TransformerDecoderBlock(Index width, Index heads, const Options& options)
    : self_attn(width, heads, {.causal = options.causal, .dropout = options.dropout, .bias = options.bias}),
      multihead_attn(width, heads, {.dropout = options.dropout, .bias = options.bias}),
      feed_forward(make_feed_forward("TransformerDecoderBlock", width, options)),
      norm1(width, {.eps = options.layer_norm_eps}),
      norm2(width, {.eps = options.layer_norm_eps}),
      norm3(width, {.eps = options.layer_norm_eps}),
      dropout1(options.dropout),
      dropout2(options.dropout),
      dropout3(options.dropout),
      norm_first_(options.norm_first) {}

Tensor TransformerDecoderBlock::forward(const Tensor& x, const Tensor& memory, const DecoderMask& mask) {
  const Tensor y = residual(norm_first_, x, norm1, dropout1,
                            [&](const Tensor& h) { return self_attn(h, {.key_padding_mask = mask.key_padding_mask}); });
  const Tensor z = residual(norm_first_, y, norm2, dropout2, [&](const Tensor& h) {
    return multihead_attn(h, memory, memory, {.key_padding_mask = mask.memory_key_padding_mask});
  });
  return residual(norm_first_, z, norm3, dropout3, feed_forward);
}

void TransformerDecoderBlock::visit(Visitor& v) {
  v("self_attn", self_attn);
  v("multihead_attn", multihead_attn);
  v("", feed_forward);
  v("norm1", norm1);
  v("norm2", norm2);
  v("norm3", norm3);
  v("dropout1", dropout1);
  v("dropout2", dropout2);
  v("dropout3", dropout3);
}

TransformerDecoder::TransformerDecoder(Index width, Index heads, Index depth, const Options& options) {
  stack("TransformerDecoder", layers, norm, width, heads, depth, options);
}

Tensor TransformerDecoder::forward(const Tensor& x, const Tensor& memory, const DecoderMask& mask) {
  Tensor y = x;
  for (TransformerDecoderBlock& layer : layers) y = layer(y, memory, mask);
  return norm ? (*norm)(y) : y;
}

void TransformerDecoder::visit(Visitor& v) {
  v("layers", layers);
  if (norm) v("norm", *norm);
}

}  // namespace gradus::nn
