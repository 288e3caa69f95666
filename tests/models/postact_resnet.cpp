#include "gradus/models/postact_resnet.hpp"

#include <doctest/doctest.h>

#include "gradus/nn/loss.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::postact_resnet;

namespace {

Index conv(Index in, Index out) { return 9 * in * out; }
Index same(Index width) { return 2 * (conv(width, width) + 2 * width); }
// The first block of a stage: its shortcut is a convolution and a batch norm.
Index wider(Index in, Index out) { return conv(in, out) + 2 * out + conv(out, out) + 2 * out + in * out + 2 * out; }

}  // namespace

TEST_CASE("postact_resnet: shapes and counts of parameters") {
  CHECK(nn::parameter_count(postact_resnet({3, 32, 32}, 10)) ==
        conv(3, 16) + 2 * 16 + 2 * same(16) + wider(16, 32) + same(32) + wider(32, 64) + same(64) + 64 * 10 + 10);
  CHECK(nn::parameter_count(postact_resnet({1, 8, 8}, 7, {.widths = {5}, .blocks = 3})) ==
        conv(1, 5) + 2 * 5 + 3 * same(5) + 5 * 7 + 7);
  // The three parts of the start, blocks, and the two parts of the end.
  CHECK(postact_resnet({3, 32, 32}, 10).size() == 3 + 3 * 2 + 2);
  CHECK(postact_resnet({3, 32, 32}, 10, {.depth = 20}).size() == 3 + 3 * 3 + 2);
  nn::Sequential net = postact_resnet({2, 8, 8}, 7, {.widths = {3, 4, 5}, .blocks = 1});
  net.eval();
  for (const Index height : {1, 2, 5, 8})
    for (const Index width : {1, 4, 7}) {
      CAPTURE(height);
      CAPTURE(width);
      CHECK(net(zeros({3, 2, height, width})).shape() == Shape{3, 7});
    }
  CHECK(net(zeros({0, 2, 8, 8})).shape() == Shape{0, 7});
}

TEST_CASE("postact_resnet: errors") {
  const Shape image{1, 8, 8};
  check_contains(thrown([] { (void)postact_resnet({8, 8}, 10); }), {"postact_resnet", "(8, 8)"});
  check_contains(thrown([] { (void)postact_resnet({1, 0, 8}, 10); }), {"(1, 0, 8)"});
  check_contains(thrown([&] { (void)postact_resnet(image, 0); }), {"at least 1"});
  check_contains(thrown([&] { (void)postact_resnet(image, 10, {.widths = {}}); }), {"no widths"});
  check_contains(thrown([&] { (void)postact_resnet(image, 10, {.widths = {4, -3}}); }), {"stage 1 has -3 channels"});
  check_contains(thrown([&] { (void)postact_resnet(image, 10, {.blocks = 0}); }), {"0 blocks"});
  check_contains(thrown([&] { (void)postact_resnet(image, 10, {.depth = 18}); }), {"a depth of 18", "e.g. 14"});
  check_contains(thrown([&] { (void)postact_resnet(image, 10, {.activation = "rleu"}); }), {"relu"});
  check_contains(thrown([&] { (void)postact_resnet(image, 10)(zeros({2, 3, 8, 8})); }), {"(2, 3, 8, 8)"});
}

TEST_CASE("postact_resnet: a step lowers the loss") {
  for (const char* activation : {"relu", "elu", "gelu"}) {
    CAPTURE(std::string(activation));
    manual_seed(3);
    nn::Sequential net = postact_resnet({1, 8, 8}, 5, {.widths = {4, 8}, .blocks = 1, .activation = activation});
    const Tensor x = randn({16, 1, 8, 8}), y = randint(0, 5, {16});
    optim::SGD optimizer{net.parameters(), {.lr = 0.05}};
    const Tensor before = nn::cross_entropy(net(x), y);
    before.backward();
    optimizer.step();
    CHECK(nn::cross_entropy(net(x), y).item() < before.item());
  }
}
