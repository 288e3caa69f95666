#include "gradus/models/real_nvp.hpp"

#include <doctest/doctest.h>

#include "gradus/autograd/mode.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/tensor/factories.hpp"
#include "models/flow_steps.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::real_nvp;

namespace {

double largest_difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item(); }

}  // namespace

TEST_CASE("real_nvp: structure") {
  nn::FlowSequence flow = real_nvp(5, {.couplings = 3, .hidden = {7}});
  CHECK(flow.size() == 5);
  CHECK(flow.features() == 5);
  CHECK(nn::parameter_count(flow) == 3 * (2 * 7 + 7 + 7 * 6 + 6));
  CHECK(real_nvp(2, {.couplings = 1}).size() == 1);
  CHECK(real_nvp(2).size() == 11);
  // At the start, the permutations alone: two reversals are none.
  Generator generator(1);
  const Tensor x = randn({4, 5}, {.generator = &generator});
  CHECK(largest_difference(flow.forward(x), x) == 0);
  CHECK(flow.forward(zeros({0, 5})).shape() == Shape{0, 5});

  Generator a(2), b(2);
  nn::FlowSequence drawn = real_nvp(31, {.couplings = 2, .hidden = {3}, .generator = &a});
  nn::FlowSequence again = real_nvp(31, {.couplings = 2, .hidden = {3}, .generator = &b});
  const Tensor wide = randn({2, 31}, {.generator = &generator});
  CHECK(largest_difference(drawn.forward(wide), again.forward(wide)) == 0);
  CHECK(largest_difference(drawn.forward(wide), real_nvp(31, {.couplings = 2, .hidden = {3}}).forward(wide)) > 0.1);
}

TEST_CASE("real_nvp: the inverse, with any activation") {
  for (const char* activation : {"relu", "elu", "elu(0.5)", "gelu", "silu", "tanh"})
    for (const Index features : {2, 3, 7}) {
      CAPTURE(std::string(activation));
      CAPTURE(features);
      Generator generator(3);
      nn::FlowSequence flow = real_nvp(features, {.couplings = 4, .hidden = {8}, .activation = activation});
      flow.to(float64);
      const NoGrad no_grad;
      for (const Tensor& parameter : flow.parameters())
        Tensor(parameter).copy_(parameter +
                                0.3 * randn(parameter.shape(), {.dtype = float64, .generator = &generator}));
      const Tensor x = randn({11, features}, {.dtype = float64, .generator = &generator});
      const auto [y, log_det] = flow.forward_and_log_det(x);
      const auto [back, back_log_det] = flow.inverse(y);
      CHECK(largest_difference(back, x) < 1e-12);
      CHECK(largest_difference(back_log_det, -log_det) < 1e-12);
      // Three reversals; every feature is changed on the way.
      const Tensor plain = nn::Permutation::reversal(features).forward(x);
      for (Index j = 0; j < features; ++j)
        CHECK(largest_difference(y.slice(1, j, j + 1), plain.slice(1, j, j + 1)) > 1e-3);
    }
}

TEST_CASE("real_nvp: errors") {
  check_contains(thrown([] { (void)real_nvp(1); }), {"real_nvp", "1 features", "2"});
  check_contains(thrown([] { (void)real_nvp(2, {.couplings = 0}); }), {"real_nvp", "0 couplings"});
  check_contains(thrown([] { (void)real_nvp(2, {.hidden = {0}}); }), {"hidden width of 0"});
  check_contains(thrown([] { (void)real_nvp(2, {.activation = "rleu"}); }), {"relu"});
  check_contains(thrown([] { (void)real_nvp(2, {.bound = -1}); }), {"bound", "-1"});
}

TEST_CASE("real_nvp: a few steps lower the negative log likelihood of two moons") {
  testing::check_steps_of_flow([](const char* activation) {
    return real_nvp(2, {.couplings = 4, .hidden = {16}, .activation = activation});
  });
}
