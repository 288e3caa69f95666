#include "gradus/models/elu_flow.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/autograd/gradcheck.hpp"
#include "gradus/autograd/jacobian.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "models/flow_steps.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::elu_flow;
using models::EluCoupling;

namespace {

double largest_difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item(); }

template <class F>
F shaken(F flow, double size = 0.3) {
  flow.to(float64);
  Generator generator(3);
  const NoGrad no_grad;
  for (const Tensor& parameter : flow.parameters())
    Tensor(parameter).copy_(parameter + size * randn(parameter.shape(), {.dtype = float64, .generator = &generator}));
  return flow;
}

Tensor points(Index n, Index features) {
  Generator generator(4);
  return 2 * randn({n, features}, {.dtype = float64, .generator = &generator});
}

}  // namespace

TEST_CASE("EluCoupling: an affine map of the half line between ELU and its inverse") {
  for (const double alpha : {1.0, 0.5, 2.0}) {
    CAPTURE(alpha);
    EluCoupling coupling = shaken(EluCoupling{3, {.hidden = {5}, .activation = "tanh", .alpha = alpha}});
    const Tensor x = points(20, 3), a = x.slice(1, 0, 1), b = x.slice(1, 1, 3);
    const auto [y, log_det] = coupling.forward_and_log_det(x);
    CHECK(largest_difference(y.slice(1, 0, 1), a) == 0);
    const Tensor r = 2.0 * tanh(coupling.conditioner(a) / 2.0);
    CHECK(r.abs().max().item() > 0.1);
    nn::ELUFlow elu{alpha};
    const auto [u, up] = elu.forward_and_log_det(b);
    const auto [back, down] = elu.inverse((u + alpha) * exp(r) - alpha);
    CHECK(largest_difference(y.slice(1, 1, 3), back) < 1e-12);
    CHECK(largest_difference(log_det, up + sum(r, {.axes = {1}}) + down) < 1e-12);
  }
}

TEST_CASE("EluCoupling: far out it shifts below and scales above, where ELU itself saturates") {
  EluCoupling coupling = shaken(EluCoupling{2, {.hidden = {}}});
  const Tensor x = from_vector<double>({0.7, -1e4, 0.7, 1e4}, {2, 2});
  const double r = (2.0 * tanh(coupling.conditioner(x.slice(1, 0, 1)) / 2.0)).slice(0, 0, 1).item();
  const Tensor y = coupling.forward(x);
  CHECK(y.data<double>()[1] == doctest::Approx(-1e4 + r).epsilon(1e-12));
  CHECK(y.data<double>()[3] == doctest::Approx(1e4 * std::exp(r) + std::expm1(r)).epsilon(1e-12));
  CHECK(largest_difference(coupling.inverse(y).x, x) < 1e-8);
}

TEST_CASE("elu_flow: structure") {
  nn::FlowSequence flow = elu_flow(5, {.blocks = 3, .hidden = {7}});
  CHECK(flow.size() == 8);
  CHECK(flow.features() == 5);
  CHECK(nn::parameter_count(flow) == 3 * ((2 * 7 + 7 + 7 * 6 + 6) + (2 * 7 + 7 + 7 * 3 + 3)));
  CHECK(elu_flow(2, {.blocks = 1}).size() == 2);
  Generator generator(1);
  const Tensor x = randn({4, 5}, {.generator = &generator});
  CHECK(largest_difference(flow.forward(x), x) < 1e-6);  // at the start, two reversals
  CHECK(flow.forward(zeros({0, 5})).shape() == Shape{0, 5});
}

TEST_CASE("elu_flow: the inverse and the determinant, with any activation") {
  for (const char* activation : {"relu", "elu", "gelu", "tanh"})
    for (const Index features : {2, 3, 7}) {
      CAPTURE(std::string(activation));
      CAPTURE(features);
      nn::FlowSequence flow = shaken(elu_flow(features, {.blocks = 3, .hidden = {8}, .activation = activation}));
      const Tensor x = points(11, features);
      const NoGrad no_grad;
      const auto [y, log_det] = flow.forward_and_log_det(x);
      CHECK(largest_difference(y, x) > 0.1);
      const auto [back, back_log_det] = flow.inverse(y);
      CHECK(largest_difference(back, x) < 1e-11);
      CHECK(largest_difference(back_log_det, -log_det) < 1e-11);
    }
  // Against the determinant of the whole Jacobian.
  nn::FlowSequence flow = shaken(elu_flow(2, {.blocks = 3, .hidden = {8}, .activation = "tanh", .alpha = 0.7}));
  for (const double x0 : {-2.0, 0.3, 4.0}) {
    const Tensor x = from_vector<double>({x0, 0.5 - x0}, {1, 2});
    const Tensor j = autograd::jacobian([&](const Tensor& at) { return flow.forward(at); }, x);
    const double* d = j.data<double>();
    CHECK(flow.forward_and_log_det(x).log_det.item() ==
          doctest::Approx(std::log(std::abs(d[0] * d[3] - d[1] * d[2]))).epsilon(1e-10));
  }
}

TEST_CASE("elu_flow: derivatives") {
  nn::FlowSequence flow = shaken(elu_flow(2, {.blocks = 2, .hidden = {3}, .activation = "tanh"}));
  std::vector<Tensor> inputs{points(5, 2).requires_grad_()};
  for (const Tensor& parameter : flow.parameters()) inputs.push_back(parameter);
  const auto log_prob = [&](const std::vector<Tensor>& in) { return nn::flow_log_prob(flow, in[0]); };
  const GradcheckResult first = gradcheck(log_prob, inputs);
  CHECK_MESSAGE(first, first.message);
  const GradcheckResult second = gradgradcheck(log_prob, inputs);
  CHECK_MESSAGE(second, second.message);
}

TEST_CASE("elu_flow: the density integrates to 1 over the plane") {
  const nn::FlowSequence made = elu_flow(2, {.blocks = 2, .hidden = {4}, .activation = "tanh"});
  nn::FlowSequence flow = shaken(made, 0.2);
  const NoGrad no_grad;
  constexpr Index side = 400;
  constexpr double half = 20, step = 2 * half / double(side);
  std::vector<double> grid;
  for (Index i = 0; i < side * side; ++i)
    grid.insert(grid.end(), {-half + (double(i / side) + 0.5) * step, -half + (double(i % side) + 0.5) * step});
  const double total = exp(nn::flow_log_prob(flow, from_vector(grid, {side * side, 2}))).sum().item() * step * step;
  CHECK(total == doctest::Approx(1).epsilon(2e-3));
}

TEST_CASE("elu_flow: errors") {
  check_contains(thrown([] { (void)elu_flow(1); }), {"1 features", "2"});
  check_contains(thrown([] { (void)elu_flow(2, {.blocks = 0}); }), {"elu_flow", "0 blocks"});
  check_contains(thrown([] { (void)EluCoupling(1); }), {"EluCoupling", "1 features"});
  check_contains(thrown([] { (void)EluCoupling(2, {.hidden = {0}}); }), {"EluCoupling", "hidden width of 0"});
  check_contains(thrown([] { (void)EluCoupling(2, {.activation = "rleu"}); }), {"relu"});
  check_contains(thrown([] { (void)EluCoupling(2, {.bound = 0}); }), {"EluCoupling", "bound"});
  check_contains(thrown([] { (void)EluCoupling(2, {.alpha = -1}); }), {"EluCoupling", "alpha", "-1"});
  check_contains(thrown([] { (void)EluCoupling(2).forward(zeros({3, 3})); }), {"EluCoupling", "(3, 3)", "(N, 2)"});
  check_contains(thrown([] { (void)EluCoupling(2).inverse(zeros({3})); }), {"EluCoupling::inverse", "(N, 2)"});
}

TEST_CASE("elu_flow: a few steps lower the negative log likelihood of two moons") {
  testing::check_steps_of_flow(
      [](const char* activation) { return elu_flow(2, {.blocks = 4, .hidden = {16}, .activation = activation}); });
}
