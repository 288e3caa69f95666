#include "gradus/nn/graph.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/ops/activation.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/index.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {
namespace {

void check_sizes(const char* layer, Index in, Index out) {
  if (in < 1 || out < 1) failf(layer, "{} features in, {} out; both must be at least 1", in, out);
}

void check_input(const char* layer, const Tensor& x, Index width, const EdgeIndex& edges) {
  check_floating(layer, x);
  if (x.dim() != 2 || x.size(0) != edges.nodes() || x.size(1) != width)
    failf(layer, "x has shape {}; ({}, {}) is expected: a row for each node of the graph, of the layer's width",
          x.shape(), edges.nodes(), width);
}

Tensor zero_bias(bool wanted, Index size) { return wanted ? zeros({size}, {.requires_grad = true}) : Tensor{}; }

Tensor plus(const Tensor& y, const Tensor& bias) { return bias.defined() ? y + bias : y; }

// A linear map that starts as Glorot has it.
Linear glorot(Index in, Index out) {
  Linear lin(in, out, {.bias = false});
  lin.weight.requires_grad_(false);
  init::xavier_uniform_(lin.weight);
  lin.weight.requires_grad_();
  return lin;
}

// (1, heads, out), uniform with the variance 2 / (heads + out).
Tensor attention_vector(Index heads, Index out) {
  Tensor a = empty({1, heads, out});
  const double bound = std::sqrt(6 / double(heads + out));
  init::uniform_(a, -bound, bound);
  return a.requires_grad_();
}

// The softmax of the scores (entries, heads) over the entries of each target, which all have one. It does not change
// when the scores of a target shift together, so the maxima, which keep exp in range, count as constants.
Tensor softmax_by_target(const Tensor& scores, const Tensor& targets, Index nodes) {
  const Index heads = scores.size(1);
  Tensor highest = full({nodes, heads}, -std::numeric_limits<double>::infinity(), {.dtype = scores.dtype()});
  dispatch_floating("GATConv", scores.dtype(), [&]<class T> {
    for (Index e = 0; e < scores.size(0); ++e)
      for (Index h = 0; h < heads; ++h) {
        T& best = highest.data<T>()[targets.data<std::int64_t>()[e] * heads + h];
        best = std::max(best, scores.data<T>()[e * heads + h]);
      }
  });
  const Tensor terms = exp(scores - index_select(highest, 0, targets));
  const Tensor sums = index_add(zeros({nodes, heads}, {.dtype = scores.dtype()}), 0, targets, terms);
  return terms / index_select(sums, 0, targets);
}

}  // namespace

struct EdgeIndex::State {
  Tensor edges;
  Index nodes;
  EdgeIndexOptions options;
  std::mutex mutex;
  std::optional<Csr> normalised[2], mean[2];
  Tensor sources, targets;

  const Csr& make(std::optional<Csr> (&cache)[2], SelfLoops self_loops, Normalise normalise, DType dtype) {
    const std::scoped_lock lock(mutex);
    std::optional<Csr>& csr = cache[dtype == float64];
    if (!csr)
      csr = adjacency(
          edges, nodes,
          {.symmetrise = options.symmetrise, .self_loops = self_loops, .normalise = normalise, .dtype = dtype});
    return *csr;
  }
};

EdgeIndex::EdgeIndex(const Tensor& edges, Index nodes, const EdgeIndexOptions& options)
    : state_(std::make_shared<State>()) {
  const Csr a = adjacency(edges, nodes, {.symmetrise = options.symmetrise, .self_loops = SelfLoops::add});
  std::vector<Index> targets;
  for (Index r = 0; r < nodes; ++r)
    targets.insert(targets.end(), std::size_t(a.starts()[std::size_t(r) + 1] - a.starts()[std::size_t(r)]), r);
  state_->edges = edges.clone();
  state_->nodes = nodes;
  state_->options = options;
  state_->sources = from_vector(a.indices());
  state_->targets = from_vector(targets);
}

Index EdgeIndex::nodes() const { return state_->nodes; }
const Csr& EdgeIndex::normalised(DType dtype) const {
  return state_->make(state_->normalised, SelfLoops::add, Normalise::symmetric, dtype);
}
const Csr& EdgeIndex::mean(DType dtype) const {
  return state_->make(state_->mean, SelfLoops::keep, Normalise::rows, dtype);
}
const Tensor& EdgeIndex::sources() const { return state_->sources; }
const Tensor& EdgeIndex::targets() const { return state_->targets; }

GCNConv::GCNConv(Index in_features, Index out_features, const Options& options)
    : lin((check_sizes("GCNConv", in_features, out_features), glorot(in_features, out_features))),
      bias(zero_bias(options.bias, out_features)) {}

Tensor GCNConv::forward(const Tensor& x, const EdgeIndex& edges) {
  const Index in = lin.weight.size(1), out = lin.weight.size(0);
  check_input("GCNConv", x, in, edges);
  const Csr& a = edges.normalised(x.dtype());
  // The product with the graph is cheaper on the narrower side of the linear map.
  return plus(in < out ? lin(spmm(a, x)) : spmm(a, lin(x)), bias);
}

void GCNConv::visit(Visitor& v) {
  v("bias", bias);
  v("lin", lin);
}

SAGEConv::SAGEConv(Index in_features, Index out_features, const Options& options)
    : lin_l((check_sizes("SAGEConv", in_features, out_features), in_features), out_features, {.bias = options.bias}),
      lin_r(in_features, out_features, {.bias = false}),
      root_weight_(options.root_weight) {}

Tensor SAGEConv::forward(const Tensor& x, const EdgeIndex& edges) {
  check_input("SAGEConv", x, lin_l.weight.size(1), edges);
  const Tensor y = lin_l(spmm(edges.mean(x.dtype()), x));
  return root_weight_ ? y + lin_r(x) : y;
}

void SAGEConv::visit(Visitor& v) {
  v("lin_l", lin_l);
  if (root_weight_) v("lin_r", lin_r);
}

namespace {

Index checked_heads(Index in, Index out, const GATConvOptions& options) {
  check_sizes("GATConv", in, out);
  if (options.heads < 1) failf("GATConv", "{} heads; at least 1 is needed", options.heads);
  if (!std::isfinite(options.negative_slope)) failf("GATConv", "negative_slope is {}", options.negative_slope);
  if (!(options.dropout >= 0 && options.dropout <= 1))
    failf("GATConv", "a dropout of {} is no probability; it must lie in [0, 1]", options.dropout);
  return options.heads;
}

}  // namespace

GATConv::GATConv(Index in_features, Index out_features, const Options& options)
    : att_src(attention_vector(checked_heads(in_features, out_features, options), out_features)),
      att_dst(attention_vector(options.heads, out_features)),
      lin(glorot(in_features, options.heads * out_features)),
      bias(zero_bias(options.bias, options.concat ? options.heads * out_features : out_features)),
      options_(options),
      out_(out_features) {}

Tensor GATConv::forward(const Tensor& x, const EdgeIndex& edges) {
  check_input("GATConv", x, lin.weight.size(1), edges);
  const Index n = edges.nodes(), heads = options_.heads;
  const Tensor &sources = edges.sources(), &targets = edges.targets();
  const Tensor h = lin(x).reshape({n, heads, out_});
  const Tensor from = sum(h * att_src, {.axes = {-1}}), to = sum(h * att_dst, {.axes = {-1}});  // (n, heads)
  const Tensor scores =
      leaky_relu(index_select(from, 0, sources) + index_select(to, 0, targets), options_.negative_slope);
  const Tensor alpha =
      functional::dropout(softmax_by_target(scores, targets, n), options_.dropout, training());  // (entries, heads)
  const Tensor messages = index_select(h, 0, sources) * alpha.unsqueeze(-1);
  const Tensor y = index_add(zeros({n, heads, out_}, {.dtype = x.dtype()}), 0, targets, messages);
  return plus(options_.concat ? y.reshape({n, heads * out_}) : mean(y, {.axes = {1}}), bias);
}

void GATConv::visit(Visitor& v) {
  v("att_src", att_src);
  v("att_dst", att_dst);
  v("bias", bias);
  v("lin", lin);
}

}  // namespace gradus::nn
