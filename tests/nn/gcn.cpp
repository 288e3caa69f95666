#include "gradus/models/gcn.hpp"

#include <doctest/doctest.h>

#include "data/support.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/core/generator.hpp"
#include "gradus/data/graph.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/optim/adam.hpp"
#include "gradus/tensor/factories.hpp"

using namespace gradus;

namespace {

const Tensor ring = from_vector<std::int64_t>({0, 1, 1, 2, 2, 3, 3, 4, 4, 0}, {5, 2});

double accuracy(models::GCN& net, const Tensor& x, const nn::EdgeIndex& edges, const Tensor& y, const Tensor& nodes) {
  const NoGrad off;
  net.eval();
  const Tensor guesses = argmax(index_select(net(x, edges), 0, nodes), 1);
  return (guesses == index_select(y, 0, nodes)).to(float64).mean().item();
}

}  // namespace

TEST_CASE("GCN: the layers in their order, any activation") {
  const nn::EdgeIndex edges{ring, 5, {.symmetrise = true}};
  for (const char* name : {"relu", "elu", "gelu", "tanh"}) {
    CAPTURE(std::string(name));
    models::GCN net{3, 4, {.hidden = 7, .activation = name}};
    CHECK(nn::parameter_count(net) == 3 * 7 + 7 + 7 * 4 + 4);
    net.eval();
    const Tensor x = randn({5, 3});
    const Tensor expected = net.conv2(nn::activation(name)(net.conv1(x, edges)), edges);
    CHECK(allclose(net(x, edges), expected));
    net.train();
    CHECK_FALSE(allclose(net(x, edges), net(x, edges)));  // dropout
  }
  std::vector<std::string> names;
  models::GCN net{3, 4};
  for (const auto& [name, parameter] : net.named_parameters()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"conv1.bias", "conv1.lin.weight", "conv2.bias", "conv2.lin.weight"});
  CHECK(has(error_of([&] { (void)net(ones({5, 2}), edges); }), "GCNConv"));
  CHECK(has(error_of([] { (void)models::GCN(3, 4, {.activation = "rleu"}); }), "relu"));
  CHECK(has(error_of([] { (void)models::GCN(3, 4, {.hidden = 0}); }), "0 out"));
  CHECK(has(error_of([] { (void)models::GCN(3, 4, {.dropout = 1.5}); }), "1.5"));
}

TEST_CASE("GCN: a step lowers the loss") {
  manual_seed(1);
  const nn::EdgeIndex edges{ring, 5, {.symmetrise = true}};
  models::GCN net{3, 2, {.dropout = 0}};
  const Tensor x = randn({5, 3}), y = from_vector<std::int64_t>({0, 1, 1, 0, 1});
  optim::Adam optimizer{net.parameters(), {.lr = 0.01}};
  const Tensor before = nn::cross_entropy(net(x, edges), y);
  before.backward();
  optimizer.step();
  CHECK(nn::cross_entropy(net(x, edges), y).item() < before.item());
}

// Kipf and Welling 2017, table 2: 81.5 % of the test nodes. Run by the ctest of the label "slow".
TEST_CASE("slow: GCN learns Cora from 140 labels" * doctest::skip()) {
  const std::string root = real_data("cora/planetoid");
  if (root.empty()) return;
  const data::Graph graph = data::planetoid(root, "cora");
  const nn::EdgeIndex edges{graph.edges, graph.nodes(), {.symmetrise = true}};
  const Tensor x = graph.x / maximum(graph.x.sum({.axes = {1}, .keepdim = true}), 1.0);
  const Tensor train = graph.train_nodes(), labels = index_select(graph.y, 0, train);
  manual_seed(7);
  models::GCN net{graph.features(), graph.num_classes()};
  optim::Adam optimizer{net.parameters(), {.lr = 0.01, .weight_decay = 5e-4}};
  CHECK(accuracy(net, x, edges, graph.y, graph.test_nodes()) < 0.4);
  for (int epoch = 0; epoch < 100; ++epoch) {
    net.train();
    optimizer.zero_grad();
    nn::cross_entropy(index_select(net(x, edges), 0, train), labels).backward();
    optimizer.step();
  }
  const double reached = accuracy(net, x, edges, graph.y, graph.test_nodes());
  MESSAGE("test accuracy " << reached);
  CHECK(reached > 0.78);
  CHECK(accuracy(net, x, edges, graph.y, train) > 0.95);
}
