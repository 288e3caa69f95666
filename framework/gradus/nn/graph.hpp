#pragma once
// Layers for graphs: every node hears from its neighbours. Formulas, defaults and the names of parameters are those of
// PyTorch Geometric.
//
//   const nn::EdgeIndex edges{graph.edges, graph.nodes(), {.symmetrise = true}};
//   nn::GCNConv conv{1433, 16};
//   Tensor h = relu(conv(graph.x, edges));
#include <memory>

#include "gradus/nn/linear.hpp"
#include "gradus/nn/sparse.hpp"

namespace gradus::nn {

struct EdgeIndexOptions {
  bool symmetrise = false;  ///< every edge goes in both directions
};

/// Who hears from whom, and the matrices that layers make of it, each computed when first asked for and then shared by
/// all copies. An edge that comes several times counts once.
class EdgeIndex {
 public:
  /// edges (m, 2) int64, from source to target: the target hears from the source. Throws as adjacency() does.
  EdgeIndex(const Tensor& edges, Index nodes, const EdgeIndexOptions& options = {});

  Index nodes() const;
  /// D^-1/2 (A + I) D^-1/2, with a self-loop of weight 1 at every node and the degrees D of A + I.
  const Csr& normalised(DType dtype) const;
  /// D^-1 A: the mean over the neighbours; 0 for a node without any.
  const Csr& mean(DType dtype) const;
  /// A + I as one list, ordered by target: both (entries) int64.
  const Tensor& sources() const;
  const Tensor& targets() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

struct GCNConvOptions {
  bool bias = true;
};

/// y = D^-1/2 (A + I) D^-1/2 x W^T + b (Kipf and Welling 2017, "Semi-supervised classification with graph convolutional
/// networks", equation 2).   x: (n, in) -> (n, out).   Parameters: "lin.weight" (out, in), Glorot's uniform; "bias"
/// (out), 0.
class GCNConv : public Module {
 public:
  using Options = GCNConvOptions;
  Linear lin;
  Tensor bias;

  GCNConv(Index in_features, Index out_features, const Options& options = {});
  using Module::forward;
  Tensor forward(const Tensor& x, const EdgeIndex& edges);
  Tensor operator()(const Tensor& x, const EdgeIndex& edges) {
    return observed([&] { return forward(x, edges); }, x);
  }
  void visit(Visitor& v) override;
};

struct SAGEConvOptions {
  bool bias = true;
  bool root_weight = true;  ///< the node's own features count, by W_r
};

/// y_i = W_l mean(x_j, j a neighbour of i) + b + W_r x_i (Hamilton, Ying and Leskovec 2017, "Inductive representation
/// learning on large graphs").   x: (n, in) -> (n, out).   Parameters: "lin_l.weight" and "lin_r.weight" (out, in),
/// "lin_l.bias" (out), all starting as those of Linear.
class SAGEConv : public Module {
 public:
  using Options = SAGEConvOptions;
  Linear lin_l, lin_r;

  SAGEConv(Index in_features, Index out_features, const Options& options = {});
  using Module::forward;
  Tensor forward(const Tensor& x, const EdgeIndex& edges);
  Tensor operator()(const Tensor& x, const EdgeIndex& edges) {
    return observed([&] { return forward(x, edges); }, x);
  }
  void visit(Visitor& v) override;

 private:
  bool root_weight_;
};

struct GATConvOptions {
  Index heads = 1;
  double negative_slope = 0.2;  ///< of the leaky ReLU on the attention scores
  bool concat = true;           ///< the heads side by side; else their mean
  double dropout = 0;           ///< of the attention weights, in training
  bool bias = true;
};

/// In each head, with h = W x:  y_i = sum_j alpha_ij h_j + b over the neighbours j of i and i itself, where alpha_i is
/// the softmax over j of leaky_relu(a_src . h_j + a_dst . h_i) (Velickovic et al. 2018, "Graph attention networks"). x:
/// (n, in) -> (n, heads out), or (n, out) without concat.   Parameters: "att_src" and "att_dst" (1, heads, out),
/// "lin.weight" (heads out, in), Glorot's uniform; "bias" (heads out or out), 0.
class GATConv : public Module {
 public:
  using Options = GATConvOptions;
  Tensor att_src, att_dst;
  Linear lin;
  Tensor bias;

  GATConv(Index in_features, Index out_features, const Options& options = {});
  using Module::forward;
  Tensor forward(const Tensor& x, const EdgeIndex& edges);
  Tensor operator()(const Tensor& x, const EdgeIndex& edges) {
    return observed([&] { return forward(x, edges); }, x);
  }
  void visit(Visitor& v) override;

 private:
  Options options_;
  Index out_;
};

}  // namespace gradus::nn
