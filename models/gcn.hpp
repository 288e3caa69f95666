#pragma once
#include <string>

#include "gradus/nn/activation.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/graph.hpp"

namespace gradus::models {

struct GCNOptions {
  Index hidden = 16;                ///< features between the layers
  std::string activation = "relu";  ///< any name that nn::activation knows
  double dropout = 0.5;             ///< of the input of each layer
};

/// Dropout - GCNConv - activation - Dropout - GCNConv, the network of Kipf and Welling 2017, section 3.1, before its
/// softmax.   x: (n, in) and the edges of a graph with n nodes -> logits (n, classes).
class GCN : public nn::Module {
 public:
  using Options = GCNOptions;
  nn::GCNConv conv1, conv2;
  nn::Activation activation;
  nn::Dropout dropout;

  GCN(Index features, Index classes, const Options& options = {});
  using Module::forward;
  Tensor forward(const Tensor& x, const nn::EdgeIndex& edges);
  Tensor operator()(const Tensor& x, const nn::EdgeIndex& edges) {
    return observed([&] { return forward(x, edges); }, x);
  }
  void visit(nn::Visitor& v) override;
};

}  // namespace gradus::models
