#include "gradus/models/sage.hpp"

#include "gradus/ops/ops.hpp"

namespace gradus::models {
namespace {

// Each row at length 1. The small number keeps the derivative finite for a row of zeros.
Tensor unit_rows(const Tensor& x) { return x / sqrt(sum(square(x), {.axes = {1}, .keepdim = true}) + 1e-12); }

}  // namespace

GraphSAGE::GraphSAGE(Index features, Index classes, const Options& options)
    : conv1(features, options.hidden),
      conv2(options.hidden, classes),
      activation(nn::activation(options.activation)),
      dropout(options.dropout),
      normalize_(options.normalize) {}

Tensor GraphSAGE::forward(const Tensor& x, const nn::EdgeIndex& edges) {
  const Tensor h = activation(conv1(dropout(x), edges));
  return conv2(dropout(normalize_ ? unit_rows(h) : h), edges);
}

void GraphSAGE::visit(nn::Visitor& v) {
  v("conv1", conv1);
  v("activation", activation);
  v("dropout", dropout);
  v("conv2", conv2);
}

}  // namespace gradus::models
