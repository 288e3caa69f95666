#include "gradus/models/autoencoder.hpp"

#include <doctest/doctest.h>

#include "gradus/nn/loss.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::Autoencoder;

TEST_CASE("autoencoder: shapes and counts of parameters") {
  CHECK(nn::parameter_count(Autoencoder{784}) == 2 * (784 * 128 + 128 * 64 + 64 * 16) + 128 + 64 + 16 + 64 + 128 + 784);
  CHECK(nn::parameter_count(Autoencoder{5, {.hidden = {}, .code = 2}}) == 2 * 5 * 2 + 2 + 5);
  Autoencoder model{12, {.hidden = {7}, .code = 3}};
  for (const Shape& shape : {Shape{4, 12}, Shape{1, 1, 3, 4}, Shape{0, 12}, Shape{5, 2, 6}}) {
    CHECK(model(zeros(shape)).shape() == shape);
    CHECK(model.encoder(zeros(shape)).shape() == Shape{shape[0], 3});
  }
}

TEST_CASE("autoencoder: errors") {
  check_contains(thrown([] { Autoencoder{0}; }), {"at least 1"});
  check_contains(thrown([] { Autoencoder{4, {.code = 0}}; }), {"at least 1"});
  check_contains(thrown([] { Autoencoder{4, {.hidden = {3, -2}}}; }), {"-2"});
  check_contains(thrown([] { Autoencoder{4, {.activation = "rleu"}}; }), {"relu"});
  check_contains(thrown([] { Autoencoder{4}(zeros({2, 5})); }), {"(2, 5)"});
}

TEST_CASE("autoencoder: a step lowers the loss") {
  for (const char* activation : {"relu", "elu", "gelu", "tanh"}) {
    CAPTURE(std::string(activation));
    manual_seed(3);
    Autoencoder model{8, {.hidden = {16}, .code = 2, .activation = activation}};
    const Tensor x = randn({32, 2, 4});
    optim::SGD optimizer{model.parameters(), {.lr = 0.05}};
    const Tensor before = nn::mse_loss(model(x), x);
    before.backward();
    optimizer.step();
    CHECK(nn::mse_loss(model(x), x).item() < before.item());
  }
}
