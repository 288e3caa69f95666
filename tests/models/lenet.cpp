#include "gradus/models/lenet.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/nn/loss.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::lenet;

TEST_CASE("lenet: shapes and counts of parameters") {
  // LeCun's net on 28 x 28: 14 after the first pooling, 10 after the second convolution, 5 after the second pooling.
  CHECK(nn::parameter_count(lenet({1, 28, 28}, 10)) ==
        6 * 25 + 6 + 16 * 6 * 25 + 16 + 16 * 5 * 5 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10);
  CHECK(nn::parameter_count(lenet({3, 32, 32}, 10)) ==
        6 * 75 + 6 + 16 * 6 * 25 + 16 + 16 * 6 * 6 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10);
  // Small images: 3 x 3 kernels that keep the size; 8 - 4 - 2.
  CHECK(nn::parameter_count(lenet({1, 8, 8}, 10)) ==
        6 * 9 + 6 + 16 * 6 * 9 + 16 + 16 * 2 * 2 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10);
  for (const Index height : {4, 5, 7, 8, 13, 19, 20, 21, 23, 28})
    for (const Index width : {4, 6, 19, 20, 31}) {
      CAPTURE(height);
      CAPTURE(width);
      CHECK(lenet({2, height, width}, 7)(zeros({3, 2, height, width})).shape() == Shape{3, 7});
    }
}

TEST_CASE("lenet: errors") {
  const auto says = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  says(thrown([] { (void)lenet({28, 28}, 10); }), "(28, 28)");
  says(thrown([] { (void)lenet({1, 3, 28}, 10); }), "(1, 3, 28)");
  says(thrown([] { (void)lenet({0, 28, 28}, 10); }), "at least 1");
  says(thrown([] { (void)lenet({1, 28, 28}, 0); }), "at least 1");
  says(thrown([] { (void)lenet({1, 28, 28}, 10, {.activation = "rleu"}); }), "relu");
  says(thrown([] { (void)lenet({1, 28, 28}, 10, {.dropout = -0.5}); }), "-0.5");
  says(thrown([] { (void)lenet({1, 28, 28}, 10, {.dropout = std::nan("")}); }), "dropout");
  says(thrown([] { (void)lenet({1, 28, 28}, 10)(zeros({2, 3, 28, 28})); }), "(2, 3, 28, 28)");
}

TEST_CASE("lenet: a step lowers the loss") {
  manual_seed(2);
  nn::Sequential net = lenet({1, 8, 8}, 3, {.activation = "elu"});
  const Tensor x = randn({16, 1, 8, 8}), y = randint(0, 3, {16});
  optim::SGD optimizer{net.parameters(), {.lr = 0.05}};
  const Tensor before = nn::cross_entropy(net(x), y);
  before.backward();
  optimizer.step();
  CHECK(nn::cross_entropy(net(x), y).item() < before.item());
}
