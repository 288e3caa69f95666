#include "gradus/models/preact_resnet.hpp"

#include <doctest/doctest.h>

#include "gradus/data/digits.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "parity/modules.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::preact_resnet;

namespace {

const std::vector<testing::ModuleRow> rows{
#include "models/modules.inc"
};

Index conv(Index in, Index out) { return 9 * in * out; }
Index same(Index width) { return 2 * (2 * width + conv(width, width)); }
// The first block of a stage: its shortcut is a convolution.
Index wider(Index in, Index out) { return 2 * in + conv(in, out) + 2 * out + conv(out, out) + in * out; }

}  // namespace

TEST_CASE("preact_resnet: shapes and counts of parameters") {
  CHECK(nn::parameter_count(preact_resnet({3, 32, 32}, 10)) ==
        conv(3, 16) + 2 * same(16) + wider(16, 32) + same(32) + wider(32, 64) + same(64) + 2 * 64 + 64 * 10 + 10);
  CHECK(nn::parameter_count(preact_resnet({1, 8, 8}, 7, {.widths = {5}, .blocks = 3})) ==
        conv(1, 5) + 3 * same(5) + 2 * 5 + 5 * 7 + 7);
  // Convolution, blocks, and the four parts of the end.
  CHECK(preact_resnet({3, 32, 32}, 10).size() == 1 + 3 * 2 + 4);
  CHECK(preact_resnet({3, 32, 32}, 10, {.depth = 20}).size() == 1 + 3 * 3 + 4);
  CHECK(preact_resnet({3, 32, 32}, 10, {.widths = {2, 3, 4, 5}, .depth = 18}).size() == 1 + 4 * 2 + 4);
  nn::Sequential net = preact_resnet({2, 8, 8}, 7, {.widths = {3, 4, 5}, .blocks = 1});
  net.eval();
  for (const Index height : {1, 2, 5, 8})
    for (const Index width : {1, 4, 7}) {
      CAPTURE(height);
      CAPTURE(width);
      CHECK(net(zeros({3, 2, height, width})).shape() == Shape{3, 7});
    }
  CHECK(net(zeros({0, 2, 8, 8})).shape() == Shape{0, 7});
}

TEST_CASE("preact_resnet: values and gradients are PyTorch's") {
  REQUIRE(rows.size() == 2);
  nn::Sequential first = preact_resnet({1, 8, 8}, 5, {.widths = {3, 4, 5}, .blocks = 1});
  testing::check_module(rows[0], first, {4, 1, 8, 8});
  nn::Sequential second = preact_resnet({2, 5, 7}, 3, {.widths = {3, 4}, .blocks = 2, .activation = "elu"});
  testing::check_module(rows[1], second, {4, 2, 5, 7});
}

TEST_CASE("preact_resnet: errors") {
  const auto says = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  const Shape image{1, 8, 8};
  says(thrown([] { (void)preact_resnet({8, 8}, 10); }), "(8, 8)");
  says(thrown([] { (void)preact_resnet({1, 0, 8}, 10); }), "(1, 0, 8)");
  says(thrown([&] { (void)preact_resnet(image, 0); }), "at least 1");
  says(thrown([&] { (void)preact_resnet(image, 10, {.widths = {}}); }), "no widths");
  says(thrown([&] { (void)preact_resnet(image, 10, {.widths = {4, -3}}); }), "stage 1 has -3 channels");
  says(thrown([&] { (void)preact_resnet(image, 10, {.blocks = 0}); }), "0 blocks");
  says(thrown([&] { (void)preact_resnet(image, 10, {.depth = 18}); }),
       "a depth of 18; with 3 stages it must be 6 n + 2, e.g. 14");
  says(thrown([&] { (void)preact_resnet(image, 10, {.depth = 2}); }), "e.g. 8");
  says(thrown([&] { (void)preact_resnet(image, 10, {.depth = -4}); }), "a depth of -4");
  says(thrown([&] { (void)preact_resnet(image, 10, {.activation = "rleu"}); }), "relu");
  says(thrown([&] { (void)preact_resnet(image, 10)(zeros({2, 3, 8, 8})); }), "(2, 3, 8, 8)");
}

TEST_CASE("preact_resnet: a step on digits lowers the loss") {
  const data::Dataset digits = data::digits();
  const Tensor x = digits.x.slice(0, 0, 64), y = digits.y.slice(0, 0, 64);
  for (const char* activation : {"relu", "elu", "gelu"}) {
    CAPTURE(std::string(activation));
    manual_seed(3);
    nn::Sequential net = preact_resnet({1, 8, 8}, 10, {.widths = {8, 16}, .blocks = 1, .activation = activation});
    optim::SGD optimizer{net.parameters(), {.lr = 0.05}};
    const Tensor before = nn::cross_entropy(net(x), y);
    before.backward();
    optimizer.step();
    CHECK(nn::cross_entropy(net(x), y).item() < before.item());
  }
}
