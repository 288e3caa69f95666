#include "gradus/nn/transformer.hpp"

#include "gradus/core/format.hpp"
#include "gradus/ops/arithmetic.hpp"

namespace gradus::nn {
namespace {

AnyModule make_feed_forward(Index width, const TransformerBlockOptions& options) {
  if (options.hidden < 0)
    failf("TransformerBlock", "a hidden width of {}; it must be positive, or 0 for 4 width", options.hidden);
  const Index hidden = options.hidden == 0 ? 4 * width : options.hidden;
  const GatedFeedForwardOptions gated{.dropout = options.dropout};
  if (options.feed_forward == "glu") return GLU{width, matched_hidden(hidden), gated};
  if (options.feed_forward == "reglu") return ReGLU{width, matched_hidden(hidden), gated};
  if (options.feed_forward == "geglu") return GEGLU{width, matched_hidden(hidden), gated};
  if (options.feed_forward == "swiglu") return SwiGLU{width, matched_hidden(hidden), gated};
  return FeedForward{
      width, hidden, {.activation = options.feed_forward, .dropout = options.dropout, .bias = options.bias}};
}

}  // namespace

TransformerBlock::TransformerBlock(Index width, Index heads, const Options& options)
    : self_attn(width, heads, {.causal = options.causal, .dropout = options.dropout, .bias = options.bias}),
      feed_forward(make_feed_forward(width, options)),
      norm1(width, {.eps = options.layer_norm_eps}),
      norm2(width, {.eps = options.layer_norm_eps}),
      dropout1(options.dropout),
      dropout2(options.dropout),
      norm_first_(options.norm_first) {}

Tensor TransformerBlock::forward(const Tensor& x, const AttentionMask& mask) {
  if (norm_first_) {
    const Tensor y = x + dropout1(self_attn(norm1(x), mask));
    return y + dropout2(feed_forward(norm2(y)));
  }
  const Tensor y = norm1(x + dropout1(self_attn(x, mask)));
  return norm2(y + dropout2(feed_forward(y)));
}

void TransformerBlock::visit(Visitor& v) {
  v("self_attn", self_attn);
  v("", feed_forward);
  v("norm1", norm1);
  v("norm2", norm2);
  v("dropout1", dropout1);
  v("dropout2", dropout2);
}

}  // namespace gradus::nn
