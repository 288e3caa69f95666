#include "gradus/models/pinn_mlp.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/gradcheck.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::pinn_mlp;

TEST_CASE("pinn_mlp: shapes and counts of parameters") {
  CHECK(nn::parameter_count(pinn_mlp(2, 1)) == 2 * 32 + 32 + 2 * (32 * 32 + 32) + 32 + 1);
  CHECK(nn::parameter_count(pinn_mlp(3, 2, {.hidden = {5, 7}})) == 3 * 5 + 5 + 5 * 7 + 7 + 7 * 2 + 2);
  CHECK(pinn_mlp(2, 3)(zeros({5, 2})).shape() == Shape{5, 3});
  CHECK(pinn_mlp(2, 3, {.hidden = {}})(zeros({0, 2})).shape() == Shape{0, 3});
}

TEST_CASE("pinn_mlp: its derivatives with respect to the coordinates") {
  for (const char* activation : {"tanh", "gelu", "sigmoid"}) {
    CAPTURE(std::string(activation));
    manual_seed(5);
    nn::Sequential net = pinn_mlp(2, 1, {.hidden = {6, 6}, .activation = activation});
    net.to(float64);
    const Tensor x = randn({4, 2}, {.dtype = float64, .requires_grad = true});
    CHECK(gradgradcheck([&](const std::vector<Tensor>& in) { return net(in[0]); }, {x}));
  }
}

TEST_CASE("pinn_mlp: a step lowers the residual of u'' = -u with u(0) = 1") {
  for (const char* activation : {"tanh", "gelu"}) {
    CAPTURE(std::string(activation));
    manual_seed(6);
    nn::Sequential net = pinn_mlp(1, 1, {.hidden = {16, 16}, .activation = activation});
    const auto loss = [&] {
      const Tensor x = linspace(-1, 1, 21).reshape({21, 1}).requires_grad_();
      const Tensor u = net(x);
      const Tensor slope = grad(u.sum(), x, {.create_graph = true});
      const Tensor curvature = grad(slope.sum(), x, {.create_graph = true});
      return square(curvature + u).mean() + square(net(zeros({1, 1})) - 1).mean();
    };
    optim::SGD optimizer{net.parameters(), {.lr = 0.01}};
    const Tensor before = loss();
    before.backward();
    optimizer.step();
    CHECK(loss().item() < before.item());
  }
}

TEST_CASE("pinn_mlp: errors") {
  check_contains(thrown([] { (void)pinn_mlp(0, 1); }), {"at least 1"});
  check_contains(thrown([] { (void)pinn_mlp(2, 0); }), {"at least 1"});
  check_contains(thrown([] { (void)pinn_mlp(2, 1, {.hidden = {4, -1}}); }), {"-1"});
  check_contains(thrown([] { (void)pinn_mlp(2, 1, {.activation = "tahn"}); }), {"tahn", "tanh"});
  check_contains(thrown([] { (void)pinn_mlp(2, 1)(zeros({4, 3})); }), {"(4, 3)"});
}
