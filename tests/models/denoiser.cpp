#include "gradus/models/denoiser.hpp"

#include <doctest/doctest.h>

#include "gradus/nn/init.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::denoiser;

TEST_CASE("denoiser: shapes and counts of parameters") {
  CHECK(nn::parameter_count(denoiser(3)) == 9 * 3 * 32 + 32 + 3 * (9 * 32 * 32 + 2 * 32) + 9 * 32 * 3 + 3);
  CHECK(nn::parameter_count(denoiser(1, {.width = 5, .depth = 2})) == 9 * 5 + 5 + 9 * 5 + 1);
  nn::Sequential net = denoiser(2, {.width = 3, .depth = 4});
  net.eval();
  for (const Shape& shape : {Shape{1, 2, 1, 1}, Shape{3, 2, 5, 8}, Shape{0, 2, 4, 4}})
    CHECK(net(zeros(shape)).shape() == shape);
}

TEST_CASE("denoiser: the image comes back when there is no noise to find") {
  nn::Sequential net = denoiser(1, {.width = 3, .depth = 3});
  std::vector<Tensor> parameters = net.parameters();
  for (Tensor& last : std::vector<Tensor>(parameters.end() - 2, parameters.end())) nn::init::zeros_(last);
  const Tensor x = randn({2, 1, 6, 7});
  CHECK(to_vector<float>(net(x)) == to_vector<float>(x));
}

TEST_CASE("denoiser: errors") {
  check_contains(thrown([] { (void)denoiser(0); }), {"denoiser", "0 channels", "at least 1"});
  check_contains(thrown([] { (void)denoiser(1, {.width = -2}); }), {"denoiser", "-2"});
  check_contains(thrown([] { (void)denoiser(1, {.depth = 1}); }), {"a depth of 1", "at least 2"});
  check_contains(thrown([] { (void)denoiser(1, {.activation = "rleu"}); }), {"relu"});
  check_contains(thrown([] { (void)denoiser(1)(zeros({2, 3, 8, 8})); }), {"(2, 3, 8, 8)"});
}

TEST_CASE("denoiser: a step lowers the loss") {
  for (const char* activation : {"relu", "elu", "gelu"}) {
    CAPTURE(std::string(activation));
    manual_seed(4);
    nn::Sequential net = denoiser(1, {.width = 6, .depth = 3, .activation = activation});
    const Tensor clean = rand({8, 1, 8, 8}), noisy = clean + 0.3 * randn({8, 1, 8, 8});
    optim::SGD optimizer{net.parameters(), {.lr = 0.05}};
    const Tensor before = nn::mse_loss(net(noisy), clean);
    before.backward();
    optimizer.step();
    CHECK(nn::mse_loss(net(noisy), clean).item() < before.item());
  }
}
