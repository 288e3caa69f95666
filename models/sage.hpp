#pragma once
#include <string>

#include "gradus/nn/activation.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/graph.hpp"

namespace gradus::models {

struct GraphSAGEOptions {
  Index hidden = 64;                ///< features between the layers
  std::string activation = "relu";  ///< any name that nn::activation knows
  double dropout = 0.5;             ///< of the input of each layer
  bool normalize = true;            ///< hidden features of each node are scaled to length 1
};

/// Dropout - SAGEConv - activation - [unit length] - Dropout - SAGEConv: algorithm 1 of Hamilton, Ying and Leskovec
/// 2017, "Inductive representation learning on large graphs", with K = 2, the mean over all neighbours, and the second
/// layer as the classifier before its softmax. A node whose hidden features are all 0 keeps them.   x: (n, in) and the
/// edges of a graph with n nodes -> logits (n, classes).
class GraphSAGE : public nn::Module {
 public:
  using Options = GraphSAGEOptions;
  nn::SAGEConv conv1, conv2;
  nn::Activation activation;
  nn::Dropout dropout;

  GraphSAGE(Index features, Index classes, const Options& options = {});
  using Module::forward;
  Tensor forward(const Tensor& x, const nn::EdgeIndex& edges);
  Tensor operator()(const Tensor& x, const nn::EdgeIndex& edges) {
    return observed([&] { return forward(x, edges); }, x);
  }
  void visit(nn::Visitor& v) override;

 private:
  bool normalize_;
};

}  // namespace gradus::models
