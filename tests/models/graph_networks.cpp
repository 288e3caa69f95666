// GraphSAGE and GAT. GCN is tested in tests/nn/gcn.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "gradus/autograd/gradcheck.hpp"
#include "gradus/models/gat.hpp"
#include "gradus/models/sage.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/optim/adam.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;

namespace {

// A ring of five nodes, and a sixth that nobody knows.
const nn::EdgeIndex edges{from_vector<std::int64_t>({0, 1, 1, 2, 2, 3, 3, 4, 4, 0}, {5, 2}), 6, {.symmetrise = true}};

std::vector<std::string> names_of(nn::Module& net) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : net.named_parameters()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

template <class Net>
void check_learns(Net net) {
  const Tensor x = randn({6, 3}), y = from_vector<std::int64_t>({0, 1, 1, 0, 1, 0});
  optim::Adam optimizer{net.parameters(), {.lr = 0.01}};
  const double before = nn::cross_entropy(net(x, edges), y).item();
  for (int step = 0; step < 10; ++step) {
    optimizer.zero_grad();
    nn::cross_entropy(net(x, edges), y).backward();
    optimizer.step();
  }
  CHECK(nn::cross_entropy(net(x, edges), y).item() < before);
}

// Derivatives by the features and by every parameter.
template <class Net>
void check_gradients(Net net) {
  net.to(float64);
  net.eval();
  std::vector<Tensor> inputs{randn({6, 3}, {.dtype = float64, .requires_grad = true})};
  for (const Tensor& parameter : net.parameters()) inputs.push_back(parameter);
  const GradcheckResult result = gradcheck([&](const std::vector<Tensor>& in) { return net(in[0], edges); }, inputs);
  CHECK_MESSAGE(result, result.message);
}

}  // namespace

TEST_CASE("GraphSAGE: the layers in their order, any activation") {
  for (const char* name : {"relu", "elu", "gelu", "tanh"})
    for (const bool normalize : {true, false}) {
      CAPTURE(std::string(name));
      manual_seed(1);
      models::GraphSAGE net{3, 4, {.hidden = 7, .activation = name, .normalize = normalize}};
      CHECK(nn::parameter_count(net) == 2 * 3 * 7 + 7 + 2 * 7 * 4 + 4);
      net.eval();
      const Tensor x = randn({6, 3});
      Tensor h = nn::activation(name)(net.conv1(x, edges));
      if (normalize)
        for (Index i = 0; i < 6; ++i) {
          double squares = 0;
          for (Index j = 0; j < 7; ++j) squares += std::pow(h.data<float>()[i * 7 + j], 2);
          for (Index j = 0; j < 7; ++j) h.data<float>()[i * 7 + j] /= float(std::sqrt(squares));
        }
      CHECK(allclose(net(x, edges), net.conv2(h, edges), {.rtol = 1e-4, .atol = 1e-6}));
      net.train();
      CHECK_FALSE(allclose(net(x, edges), net(x, edges)));  // dropout
    }
  models::GraphSAGE net{3, 4};
  CHECK(names_of(net) == std::vector<std::string>{"conv1.lin_l.bias", "conv1.lin_l.weight", "conv1.lin_r.weight",
                                                  "conv2.lin_l.bias", "conv2.lin_l.weight", "conv2.lin_r.weight"});
}

TEST_CASE("GraphSAGE: hidden features of zero stay so, with a finite gradient") {
  models::GraphSAGE net{3, 2, {.dropout = 0}};
  for (const Tensor& parameter : net.conv1.parameters()) Tensor(parameter.detach()).zero_();
  const Tensor out = net(ones({6, 3}), edges);
  CHECK(allclose(out, net.conv2(zeros({6, 64}), edges)));
  sum(out).backward();
  for (const Tensor& parameter : net.parameters()) CHECK(std::isfinite(parameter.grad().abs().max().item()));
}

TEST_CASE("GAT: the layers in their order, any activation") {
  for (const char* name : {"relu", "elu", "gelu", "tanh"}) {
    CAPTURE(std::string(name));
    manual_seed(2);
    models::GAT net{3, 4, {.hidden = 5, .heads = 2, .output_heads = 3, .activation = name}};
    CHECK(nn::parameter_count(net) == (3 * 10 + 10 + 10 + 10) + (10 * 12 + 12 + 12 + 4));
    net.eval();
    const Tensor x = randn({6, 3});
    CHECK(net(x, edges).shape() == Shape{6, 4});
    CHECK(allclose(net(x, edges), net.conv2(nn::activation(name)(net.conv1(x, edges)), edges)));
    net.train();
    CHECK_FALSE(allclose(net(x, edges), net(x, edges)));
  }
  // The paper's: eight heads of eight, one for the classes.
  models::GAT net{1433, 7};
  CHECK(net.conv1.lin.weight.shape() == Shape{64, 1433});
  CHECK(net.conv2.lin.weight.shape() == Shape{7, 64});
  CHECK(names_of(net) == std::vector<std::string>{"conv1.att_dst", "conv1.att_src", "conv1.bias", "conv1.lin.weight",
                                                  "conv2.att_dst", "conv2.att_src", "conv2.bias", "conv2.lin.weight"});
}

TEST_CASE("GraphSAGE and GAT: derivatives, and steps that lower the loss") {
  manual_seed(3);
  check_gradients(models::GraphSAGE{3, 2, {.hidden = 4, .activation = "elu"}});
  check_gradients(models::GAT{3, 2, {.hidden = 4, .heads = 3}});
  check_learns(models::GraphSAGE{3, 2, {.dropout = 0}});
  check_learns(models::GAT{3, 2, {.dropout = 0}});
}

TEST_CASE("GraphSAGE and GAT: errors") {
  models::GraphSAGE sage{3, 4};
  models::GAT gat{3, 4};
  check_contains(thrown([&] { (void)sage(ones({6, 2}), edges); }), {"SAGEConv", "2"});
  check_contains(thrown([&] { (void)gat(ones({5, 3}), edges); }), {"GATConv", "5"});
  check_contains(thrown([] { (void)models::GraphSAGE(3, 4, {.activation = "rleu"}); }), {"relu"});
  check_contains(thrown([] { (void)models::GAT(3, 4, {.heads = 0}); }), {"0 heads"});
  check_contains(thrown([] { (void)models::GAT(3, 4, {.dropout = 1.5}); }), {"1.5"});
}
