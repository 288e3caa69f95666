#include "gradus/models/self_normalizing.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/nn/loss.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::self_normalizing;

TEST_CASE("self_normalizing: shapes and counts of parameters") {
  CHECK(nn::parameter_count(self_normalizing(20, 3)) == 20 * 128 + 128 + 3 * (128 * 128 + 128) + 128 * 3 + 3);
  CHECK(nn::parameter_count(self_normalizing(5, 2, {.hidden = {7, 11}, .dropout = 0.1})) ==
        5 * 7 + 7 + 7 * 11 + 11 + 11 * 2 + 2);
  CHECK(self_normalizing(5, 2, {.hidden = {7, 11}, .dropout = 0.1}).size() == 1 + 2 * 3 + 1);
  CHECK(self_normalizing(12, 3)(zeros({4, 3, 4})).shape() == Shape{4, 3});
  CHECK(self_normalizing(12, 3, {.hidden = {}})(zeros({0, 12})).shape() == Shape{0, 3});
}

TEST_CASE("self_normalizing: mean 0 and variance 1 stay through 16 layers, with and without dropout") {
  for (const double dropout : {0.0, 0.1}) {
    CAPTURE(dropout);
    manual_seed(1);
    nn::Sequential net = self_normalizing(256, 256, {.hidden = std::vector<Index>(16, 256), .dropout = dropout});
    const Tensor y = net(randn({256, 256})).detach();
    CHECK(std::abs(y.mean().item()) < 0.1);
    CHECK(std::abs(y.var().item() - 1) < 0.3);
    // Eval mode takes the dropout out.
    net.eval();
    const Tensor x = randn({2, 256});
    CHECK(to_vector<float>(net(x)) == to_vector<float>(net(x)));
  }
}

TEST_CASE("self_normalizing: errors") {
  check_contains(thrown([] { (void)self_normalizing(0, 3); }), {"at least 1"});
  check_contains(thrown([] { (void)self_normalizing(3, 0); }), {"at least 1"});
  check_contains(thrown([] { (void)self_normalizing(3, 3, {.hidden = {4, -1}}); }), {"-1"});
  check_contains(thrown([] { (void)self_normalizing(3, 3, {.dropout = 1.5}); }), {"1.5"});
  check_contains(thrown([] { (void)self_normalizing(4, 3)(zeros({2, 5})); }), {"(2, 5)"});
}

TEST_CASE("self_normalizing: a step lowers the loss") {
  manual_seed(2);
  nn::Sequential net = self_normalizing(6, 3, {.hidden = {16, 16, 16}});
  const Tensor x = randn({32, 6}), y = randint(0, 3, {32});
  optim::SGD optimizer{net.parameters(), {.lr = 0.05}};
  const Tensor before = nn::cross_entropy(net(x), y);
  before.backward();
  optimizer.step();
  CHECK(nn::cross_entropy(net(x), y).item() < before.item());
}
