#include "gradus/models/recurrent.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/nn/loss.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::recurrent;

TEST_CASE("recurrent: shapes and counts of parameters") {
  // Two biases for each gate, as the layers have them.
  const auto layer = [](Index gates, Index in, Index hidden) { return gates * hidden * (in + hidden + 2); };
  const auto count = [&](Index gates) { return layer(gates, 5, 7) + layer(gates, 7, 7) + 7 * 3 + 3; };
  CHECK(nn::parameter_count(recurrent(5, 3, {.cell = "elman", .hidden = 7, .layers = 2})) == count(1));
  CHECK(nn::parameter_count(recurrent(5, 3, {.cell = "gru", .hidden = 7, .layers = 2})) == count(3));
  CHECK(nn::parameter_count(recurrent(5, 3, {.cell = "lstm", .hidden = 7, .layers = 2})) == count(4));
  CHECK(nn::parameter_count(recurrent(5, 3)) == layer(3, 5, 64) + 64 * 3 + 3);
  for (const char* cell : {"elman", "gru", "lstm"}) {
    nn::Sequential net = recurrent(2, 3, {.cell = cell, .hidden = 4});
    for (const Index samples : {0, 1, 5})
      for (const Index length : {1, 2, 7}) CHECK(net(zeros({samples, length, 2})).shape() == Shape{samples, 3});
  }
}

TEST_CASE("recurrent: the answer is the last step's, and depends on the first") {
  for (const char* cell : {"elman", "gru", "lstm"}) {
    CAPTURE(std::string(cell));
    manual_seed(1);
    nn::Sequential net = recurrent(2, 3, {.cell = cell, .hidden = 4, .layers = 2});
    const Tensor x = randn({3, 5, 2});
    CHECK(allclose(net(x), net[2](net[0](x).slice(1, 4, 5).squeeze(1))));
    const Tensor other = cat({x.slice(1, 0, 1) + 1, x.slice(1, 1, 5)}, 1);
    CHECK_FALSE(allclose(net(x), net(other), {.atol = 1e-5}));
  }
}

TEST_CASE("recurrent: the recurrent weights start as asked for") {
  for (const auto& [cell, gates] : {std::pair<const char*, Index>{"elman", 1}, {"gru", 3}, {"lstm", 4}}) {
    CAPTURE(std::string(cell));
    const auto start = [&](nn::RecurrentInit init) {
      nn::Sequential net = recurrent(2, 3, {.cell = cell, .hidden = 5, .layers = 2, .recurrent_init = init});
      for (const auto& [name, parameter] : net.named_parameters())
        if (name == "0.weight_hh_l1") return parameter.detach();
      return Tensor{};
    };
    const Tensor unit = start(nn::RecurrentInit::identity), turned = start(nn::RecurrentInit::orthogonal);
    for (Index gate = 0; gate < gates; ++gate) {
      const Tensor q = turned.slice(0, 5 * gate, 5 * gate + 5);
      CHECK(allclose(unit.slice(0, 5 * gate, 5 * gate + 5), eye(5)));
      CHECK(allclose(matmul(q.t(), q), eye(5), {.atol = 1e-5}));
      CHECK_FALSE(allclose(q, eye(5)));
    }
    const Tensor plain = start(nn::RecurrentInit::pytorch);
    CHECK_FALSE(allclose(plain, unit));
    CHECK(plain.abs().max().item() <= 1 / std::sqrt(5.0));
  }
}

TEST_CASE("recurrent: a step lowers the loss of a classifier and of a regressor") {
  const auto check = [](const models::RecurrentOptions& options) {
    CAPTURE(options.cell);
    CAPTURE(options.activation);
    manual_seed(2);
    const Tensor x = randn({16, 6, 2}), label = randint(0, 3, {16}), target = randn({16, 3});
    for (const bool classify : {true, false}) {
      nn::Sequential net = recurrent(2, 3, options);
      const auto loss = [&] { return classify ? nn::cross_entropy(net(x), label) : nn::mse_loss(net(x), target); };
      optim::SGD optimizer{net.parameters(), {.lr = 0.05}};
      const Tensor before = loss();
      before.backward();
      optimizer.step();
      CHECK(loss().item() < before.item());
    }
  };
  for (const char* activation : {"tanh", "relu", "elu", "gelu"})
    check({.cell = "elman", .hidden = 8, .activation = activation});
  check({.cell = "gru", .hidden = 8});
  check({.cell = "lstm", .hidden = 8});
}

TEST_CASE("recurrent: errors") {
  check_contains(thrown([] { (void)recurrent(2, 3, {.cell = "gur"}); }), {"recurrent", "gur", "elman", "lstm"});
  check_contains(thrown([] { (void)recurrent(2, 3, {.cell = "lstm", .activation = "relu"}); }), {"relu", "lstm"});
  check_contains(thrown([] { (void)recurrent(2, 3, {.cell = "elman", .activation = "rleu"}); }), {"rleu", "relu"});
  check_contains(thrown([] { (void)recurrent(0, 3); }), {"at least 1"});
  check_contains(thrown([] { (void)recurrent(2, 0); }), {"at least 1"});
  check_contains(thrown([] { (void)recurrent(2, 3, {.hidden = 0}); }), {"at least 1"});
  check_contains(thrown([] { (void)recurrent(2, 3, {.layers = 0}); }), {"0"});
  check_contains(thrown([] { (void)recurrent(2, 3)(zeros({4, 0, 2})); }), {"recurrent", "length 0"});
  check_contains(thrown([] { (void)recurrent(2, 3)(zeros({4, 5, 1})); }), {"(4, 5, 1)"});
}
