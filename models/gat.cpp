#include "gradus/models/gat.hpp"

namespace gradus::models {

GAT::GAT(Index features, Index classes, const Options& options)
    : conv1(features, options.hidden, {.heads = options.heads, .dropout = options.dropout}),
      conv2(options.heads * options.hidden, classes,
            {.heads = options.output_heads, .concat = false, .dropout = options.dropout}),
      activation(nn::activation(options.activation)),
      dropout(options.dropout) {}

Tensor GAT::forward(const Tensor& x, const nn::EdgeIndex& edges) {
  const Tensor h = activation(conv1(dropout(x), edges));
  return conv2(dropout(h), edges);
}

void GAT::visit(nn::Visitor& v) {
  v("conv1", conv1);
  v("activation", activation);
  v("dropout", dropout);
  v("conv2", conv2);
}

}  // namespace gradus::models
