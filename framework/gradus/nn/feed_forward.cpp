#include "gradus/nn/feed_forward.hpp"

#include <algorithm>

#include "gradus/core/format.hpp"
#include "gradus/ops/arithmetic.hpp"

namespace gradus::nn {

FeedForward::FeedForward(Index width, Index hidden, const Options& options)
    : linear1(width, hidden, {.bias = options.bias}),
      linear2(hidden, width, {.bias = options.bias}),
      activation(nn::activation(options.activation)),
      dropout(options.dropout) {}

Tensor FeedForward::forward(const Tensor& x) { return linear2(dropout(activation(linear1(x)))); }

void FeedForward::visit(Visitor& v) {
  v("linear1", linear1);
  v("activation", activation);
  v("dropout", dropout);
  v("linear2", linear2);
}

GatedFeedForward::GatedFeedForward(Index width, Index hidden, const Activation& gate, const Options& options)
    : linear1(width, hidden, {.bias = options.bias}),
      linear2(width, hidden, {.bias = options.bias}),
      linear3(hidden, width, {.bias = options.bias}),
      activation(gate),
      dropout(options.dropout) {}

Tensor GatedFeedForward::forward(const Tensor& x) { return linear3(dropout(activation(linear1(x)) * linear2(x))); }

void GatedFeedForward::visit(Visitor& v) {
  v("linear1", linear1);
  v("activation", activation);
  v("linear2", linear2);
  v("dropout", dropout);
  v("linear3", linear3);
}

Index matched_hidden(Index hidden) {
  if (hidden < 1) failf("matched_hidden", "a hidden width of {}; it must be at least 1", hidden);
  // (2/3 hidden) / 8 = hidden / 12, to the nearest
  return std::max<Index>(8, 8 * (hidden / 12 + (hidden % 12 >= 6 ? 1 : 0)));
}

}  // namespace gradus::nn
