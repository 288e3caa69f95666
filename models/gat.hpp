#pragma once
#include <string>

#include "gradus/nn/activation.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/graph.hpp"

namespace gradus::models {

struct GATOptions {
  Index hidden = 8;                ///< features of each head of the first layer
  Index heads = 8;                 ///< of the first layer, side by side
  Index output_heads = 1;          ///< of the second layer, averaged
  std::string activation = "elu";  ///< any name that nn::activation knows
  double dropout = 0.6;            ///< of the input of each layer and of the attention weights
};

/// Dropout - GATConv (heads side by side) - activation - Dropout - GATConv (heads averaged), the transductive network
/// of Velickovic et al. 2018, "Graph attention networks", section 3.3, before its softmax.   x: (n, in) and the edges of
/// a graph with n nodes -> logits (n, classes).
class GAT : public nn::Module {
 public:
  using Options = GATOptions;
  nn::GATConv conv1, conv2;
  nn::Activation activation;
  nn::Dropout dropout;

  GAT(Index features, Index classes, const Options& options = {});
  using Module::forward;
  Tensor forward(const Tensor& x, const nn::EdgeIndex& edges);
  Tensor operator()(const Tensor& x, const nn::EdgeIndex& edges) {
    return observed([&] { return forward(x, edges); }, x);
  }
  void visit(nn::Visitor& v) override;
};

}  // namespace gradus::models
