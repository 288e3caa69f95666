#include "gradus/models/gcn.hpp"

namespace gradus::models {

GCN::GCN(Index features, Index classes, const Options& options)
    : conv1(features, options.hidden),
      conv2(options.hidden, classes),
      activation(nn::activation(options.activation)),
      dropout(options.dropout) {}

Tensor GCN::forward(const Tensor& x, const nn::EdgeIndex& edges) {
  const Tensor h = activation(conv1(dropout(x), edges));
  return conv2(dropout(h), edges);
}

void GCN::visit(nn::Visitor& v) {
  v("conv1", conv1);
  v("activation", activation);
  v("dropout", dropout);
  v("conv2", conv2);
}

}  // namespace gradus::models
