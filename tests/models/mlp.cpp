#include "gradus/models/mlp.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/nn/loss.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::mlp;

TEST_CASE("mlp: shapes and counts of parameters") {
  CHECK(nn::parameter_count(mlp(784, 10)) == 784 * 128 + 128 + 128 * 10 + 10);
  CHECK(nn::parameter_count(mlp(2, 3, {.hidden = {}})) == 2 * 3 + 3);
  CHECK(nn::parameter_count(mlp(5, 2, {.hidden = {7, 11}, .activation = "gelu", .dropout = 0.5})) ==
        5 * 7 + 7 + 7 * 11 + 11 + 11 * 2 + 2);
  // Batch norm has a shift of its own, so the linear layer before it has none.
  CHECK(nn::parameter_count(mlp(5, 2, {.hidden = {7}, .batch_norm = true})) == 5 * 7 + 2 * 7 + 7 * 2 + 2);
  CHECK(mlp(12, 3)(zeros({4, 12})).shape() == Shape{4, 3});
  CHECK(mlp(12, 3)(zeros({4, 1, 3, 4})).shape() == Shape{4, 3});
  CHECK(mlp(12, 3)(zeros({0, 12})).shape() == Shape{0, 3});
}

TEST_CASE("mlp: errors") {
  const auto says = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  says(thrown([] { (void)mlp(0, 3); }), "at least 1");
  says(thrown([] { (void)mlp(3, 0); }), "at least 1");
  says(thrown([] { (void)mlp(3, 3, {.hidden = {4, -1}}); }), "-1");
  says(thrown([] { (void)mlp(3, 3, {.activation = "rleu"}); }), "relu");
  says(thrown([] { (void)mlp(3, 3, {.dropout = 1.5}); }), "1.5");
  says(thrown([] { (void)mlp(3, 3, {.dropout = -0.5}); }), "-0.5");
  says(thrown([] { (void)mlp(3, 3, {.dropout = std::nan("")}); }), "dropout");
  says(thrown([] { (void)mlp(4, 3)(zeros({2, 5})); }), "(2, 5)");
}

TEST_CASE("mlp: a step lowers the loss") {
  for (const char* activation : {"relu", "elu", "gelu", "selu", "tanh"})
    for (const bool batch_norm : {false, true}) {
      CAPTURE(std::string(activation));
      CAPTURE(batch_norm);
      manual_seed(1);
      nn::Sequential net = mlp(6, 3, {.hidden = {16, 16}, .activation = activation, .batch_norm = batch_norm});
      const Tensor x = randn({32, 6}), y = randint(0, 3, {32});
      optim::SGD optimizer{net.parameters(), {.lr = 0.05}};
      const Tensor before = nn::cross_entropy(net(x), y);
      before.backward();
      optimizer.step();
      CHECK(nn::cross_entropy(net(x), y).item() < before.item());
    }
}
