#include "gradus/nn/graph.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

// A directed graph with repeated edges, loops and a node that hears from nobody.
const Tensor few_edges = from_vector<std::int64_t>({0, 1, 1, 2, 2, 1, 0, 1, 3, 3, 4, 3, 1, 3, 0, 4, 2, 4}, {9, 2});
constexpr Index nodes = 6;

// a[i][j]: whether i hears from j.
std::vector<std::vector<bool>> hears(const Tensor& edges, Index n, bool symmetrise) {
  const std::vector<bool> nobody(static_cast<std::size_t>(n));
  std::vector<std::vector<bool>> a(static_cast<std::size_t>(n), nobody);
  const std::vector<Index> ends = to_vector<Index>(edges);
  for (std::size_t e = 0; e < ends.size(); e += 2) {
    a[std::size_t(ends[e + 1])][std::size_t(ends[e])] = true;
    if (symmetrise) a[std::size_t(ends[e])][std::size_t(ends[e + 1])] = true;
  }
  return a;
}

Tensor dense(const std::vector<std::vector<bool>>& a) {
  const Index n = Index(a.size());
  Tensor m = zeros({n, n}, {.dtype = float64});
  for (Index i = 0; i < n * n; ++i) m.data<double>()[i] = a[std::size_t(i / n)][std::size_t(i % n)];
  return m;
}

// Numbers for every parameter, biases included.
template <class Layer>
Layer filled(Layer layer) {
  layer.to(float64);
  std::uint64_t seed = 20;
  for (const auto& [name, parameter] : layer.named_parameters()) {
    Tensor p = parameter;
    const NoGrad off;
    p.copy_(normal_numbers(p.shape(), ++seed));
  }
  return layer;
}

}  // namespace

TEST_CASE("GCNConv: the dense formula, on either side of the linear map") {
  for (const bool symmetrise : {false, true})
    for (const auto& [in, out] : {std::pair<Index, Index>{3, 5}, {5, 3}, {1, 1}, {4, 4}})
      for (const bool bias : {false, true}) {
        const nn::EdgeIndex edges{few_edges, nodes, {.symmetrise = symmetrise}};
        nn::GCNConv conv = filled(nn::GCNConv{in, out, {.bias = bias}});
        auto a = hears(few_edges, nodes, symmetrise);
        for (std::size_t i = 0; i < a.size(); ++i) a[i][i] = true;
        const Tensor m = dense(a), scale = rsqrt(m.sum({.axes = {1}}));
        const Tensor x = normal_numbers({nodes, in}, 3);
        Tensor expected = matmul(scale.unsqueeze(1) * m * scale.unsqueeze(0), matmul(x, conv.lin.weight.t()));
        if (bias) expected = expected + conv.bias;
        CHECK(largest_difference(conv(x, edges), expected) < 1e-13);
        conv.to(float32);
        CHECK(largest_difference(conv(x.to(float32), edges).to(float64), expected) < 1e-4);
      }
}

TEST_CASE("SAGEConv: the mean over the neighbours, and the node itself") {
  for (const bool root_weight : {false, true})
    for (const bool bias : {false, true}) {
      const nn::EdgeIndex edges{few_edges, nodes};
      nn::SAGEConv conv = filled(nn::SAGEConv{3, 4, {.bias = bias, .root_weight = root_weight}});
      const Tensor m = dense(hears(few_edges, nodes, false));
      const Tensor x = normal_numbers({nodes, 3}, 3);
      Tensor expected =
          matmul(matmul(m, x) / maximum(m.sum({.axes = {1}, .keepdim = true}), 1.0), conv.lin_l.weight.t());
      if (bias) expected = expected + conv.lin_l.bias;
      if (root_weight) expected = expected + matmul(x, conv.lin_r.weight.t());
      CHECK(largest_difference(conv(x, edges), expected) < 1e-13);
      CHECK(conv.named_parameters().size() == std::size_t(1 + bias + root_weight));
    }
}

TEST_CASE("GATConv: attention over neighbours and the node, written out in loops") {
  for (const bool symmetrise : {false, true})
    for (const Index heads : {1, 3})
      for (const bool concat : {false, true})
        for (const double scale : {1.0, 300.0}) {  // with 300, exp of a score overflows
          const Index in = 4, out = 2;
          const nn::EdgeIndex edges{few_edges, nodes, {.symmetrise = symmetrise}};
          nn::GATConv conv = filled(nn::GATConv{in, out, {.heads = heads, .negative_slope = 0.3, .concat = concat}});
          const Tensor x = normal_numbers({nodes, in}, 3) * scale;
          const auto a = hears(few_edges, nodes, symmetrise);
          const Tensor h = matmul(x, conv.lin.weight.t()).detach();
          const auto at = [&](const Tensor& t, Index i) { return t.data<double>()[i]; };
          Tensor expected = zeros({nodes, concat ? heads * out : out}, {.dtype = float64});
          for (Index i = 0; i < nodes; ++i)
            for (Index k = 0; k < heads; ++k) {
              std::vector<Index> neighbours;
              std::vector<double> scores;
              for (Index j = 0; j < nodes; ++j) {
                if (!a[std::size_t(i)][std::size_t(j)] && i != j) continue;
                double score = 0;
                for (Index f = 0; f < out; ++f)
                  score += at(conv.att_src, k * out + f) * at(h, j * heads * out + k * out + f) +
                           at(conv.att_dst, k * out + f) * at(h, i * heads * out + k * out + f);
                neighbours.push_back(j);
                scores.push_back(score > 0 ? score : 0.3 * score);
              }
              const double highest = *std::max_element(scores.begin(), scores.end());
              double sum = 0;
              for (double& score : scores) sum += score = std::exp(score - highest);
              for (std::size_t e = 0; e < scores.size(); ++e)
                for (Index f = 0; f < out; ++f)
                  expected.data<double>()[concat ? i * heads * out + k * out + f : i * out + f] +=
                      scores[e] / sum * at(h, neighbours[e] * heads * out + k * out + f) / double(concat ? 1 : heads);
            }
          CHECK(largest_difference(conv(x, edges), expected + conv.bias) < 1e-12 * scale);
        }
}

TEST_CASE("graph layers: derivatives with respect to input and parameters") {
  const nn::EdgeIndex edges{few_edges, nodes};
  nn::GCNConv gcn = filled(nn::GCNConv{3, 2});
  check_derivatives(
      [&](const std::vector<Tensor>& in) {
        gcn.lin.weight = in[1];
        gcn.bias = in[2];
        return tanh(gcn(in[0], edges));
      },
      {leaf({nodes, 3}, 1), leaf({2, 3}, 2), leaf({2}, 3)});
  nn::SAGEConv sage = filled(nn::SAGEConv{3, 2});
  check_derivatives(
      [&](const std::vector<Tensor>& in) {
        sage.lin_l.weight = in[1];
        sage.lin_l.bias = in[2];
        sage.lin_r.weight = in[3];
        return tanh(sage(in[0], edges));
      },
      {leaf({nodes, 3}, 1), leaf({2, 3}, 2), leaf({2}, 3), leaf({2, 3}, 4)});
  for (const bool concat : {false, true}) {
    nn::GATConv gat = filled(nn::GATConv{3, 2, {.heads = 2, .concat = concat}});
    check_derivatives(
        [&](const std::vector<Tensor>& in) {
          gat.lin.weight = in[1];
          gat.att_src = in[2];
          gat.att_dst = in[3];
          gat.bias = in[4];
          return tanh(gat(in[0], edges));
        },
        {leaf({nodes, 3}, 1), leaf({4, 3}, 2), leaf({1, 2, 2}, 3), leaf({1, 2, 2}, 4), leaf({concat ? 4 : 2}, 5)});
  }
}

TEST_CASE("graph layers: names, shapes and first values of the parameters") {
  const auto names = [](nn::Module& layer) {
    std::vector<std::string> all;
    for (const auto& [name, parameter] : layer.named_parameters())
      all.push_back(name + " " + to_string(parameter.shape()));
    std::sort(all.begin(), all.end());
    return all;
  };
  using Names = std::vector<std::string>;
  nn::GCNConv gcn{300, 200};
  nn::SAGEConv sage{300, 200};
  nn::GATConv gat{300, 50, {.heads = 4}}, averaged{3, 5, {.heads = 4, .concat = false}};
  CHECK(names(gcn) == Names{"bias (200)", "lin.weight (200, 300)"});
  CHECK(names(sage) == Names{"lin_l.bias (200)", "lin_l.weight (200, 300)", "lin_r.weight (200, 300)"});
  CHECK(names(gat) == Names{"att_dst (1, 4, 50)", "att_src (1, 4, 50)", "bias (200)", "lin.weight (200, 300)"});
  CHECK(names(averaged)[2] == "bias (5)");
  const auto uniform_within = [](const Tensor& w, double bound) {
    const double highest = w.detach().abs().max().item();
    CHECK(highest <= bound);
    CHECK(highest > 0.95 * bound);
    CHECK(w.detach().std().item() == doctest::Approx(bound / std::sqrt(3.0)).epsilon(w.numel() > 1000 ? 0.02 : 0.2));
  };
  uniform_within(gcn.lin.weight, std::sqrt(6.0 / 500));
  uniform_within(gat.lin.weight, std::sqrt(6.0 / 500));
  uniform_within(gat.att_src, std::sqrt(6.0 / 54));
  uniform_within(gat.att_dst, std::sqrt(6.0 / 54));
  uniform_within(sage.lin_r.weight, 1 / std::sqrt(300.0));
  CHECK(gcn.bias.detach().abs().max().item() == 0);
  CHECK(gat.bias.detach().abs().max().item() == 0);
  nn::SAGEConv copy = nn::clone(sage);
  CHECK(copy.lin_l.weight.impl() != sage.lin_l.weight.impl());
}

TEST_CASE("graph layers: no edges, no nodes, and attention that drops") {
  const Tensor none = zeros({0, 2}, {.dtype = int64});
  const nn::EdgeIndex empty{none, 0}, alone{none, 3};
  const Tensor x = ones({3, 4});
  nn::GCNConv gcn{4, 2};
  nn::SAGEConv sage{4, 2};
  nn::GATConv gat{4, 2, {.heads = 3, .dropout = 1}};
  CHECK(gcn(zeros({0, 4}), empty).shape() == Shape{0, 2});
  CHECK(sage(zeros({0, 4}), empty).shape() == Shape{0, 2});
  CHECK(gat(zeros({0, 4}), empty).shape() == Shape{0, 6});
  CHECK(largest_difference(gcn(x, alone), gcn.lin(x)) < 1e-6);
  CHECK(largest_difference(sage(x, alone), sage.lin_r(x) + sage.lin_l.bias) < 1e-6);
  CHECK(gat(x, alone).detach().abs().max().item() == 0);
  gat.eval();
  CHECK(largest_difference(gat(x, alone), gat.lin(x)) < 1e-6);
}

TEST_CASE("graph layers: the same bits on any number of threads") {
  std::mt19937 random(5);
  std::vector<Index> ends;
  for (int i = 0; i < 20000; ++i) ends.push_back(Index(random() % 1501));
  const nn::EdgeIndex edges{from_vector(ends, {10000, 2}), 1501, {.symmetrise = true}};
  nn::GATConv gat{16, 24, {.heads = 2}};
  const Tensor x = normal_numbers({1501, 16}, 8, float32).requires_grad_();
  check_threads([&](const std::vector<Tensor>& in) { return gat(in[0], edges); }, {x});
}

TEST_CASE("graph layers say what does not fit") {
  const nn::EdgeIndex edges{few_edges, nodes};
  nn::GCNConv gcn{4, 2};
  nn::GATConv gat{4, 2};
  nn::SAGEConv sage{4, 2};
  check_error([&] { (void)gcn(ones({nodes, 3}), edges); }, {"GCNConv", "(6, 3)", "(6, 4)"});
  check_error([&] { (void)gat(ones({5, 4}), edges); }, {"GATConv", "(5, 4)", "(6, 4)"});
  check_error([&] { (void)sage(ones({4}), edges); }, {"SAGEConv", "(4)", "(6, 4)"});
  check_error([&] { (void)sage(ones({nodes, 4}, {.dtype = int64}), edges); }, {"SAGEConv", "int64"});
  check_error([&] { (void)gcn.forward(ones({nodes, 4})); }, {"GCNConv"});
  check_error([&] { (void)nn::EdgeIndex(few_edges, 4); }, {"adjacency", "node 4", "4 nodes"});
  check_error([] { (void)nn::GCNConv(0, 2); }, {"GCNConv", "0 features in"});
  check_error([] { (void)nn::SAGEConv(2, -1); }, {"SAGEConv", "-1 out"});
  check_error([] { (void)nn::GATConv(2, 0); }, {"GATConv", "0 out"});
  check_error([] { (void)nn::GATConv(2, 2, {.heads = 0}); }, {"GATConv", "0 heads"});
  check_error([] { (void)nn::GATConv(2, 2, {.dropout = 1.5}); }, {"GATConv", "1.5"});
  check_error([] { (void)nn::GATConv(2, 2, {.negative_slope = std::nan("")}); }, {"GATConv", "negative_slope"});
}
