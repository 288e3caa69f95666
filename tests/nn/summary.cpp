#include "gradus/nn/summary.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "gradus/core/generator.hpp"
#include "gradus/models/lenet.hpp"
#include "gradus/models/mlp.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/embedding.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/recurrent.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/nn/transformer.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;

namespace {

const nn::SummaryRow& row_of(const nn::Summary& summary, const std::string& name) {
  const auto row = std::find_if(summary.rows.begin(), summary.rows.end(),
                                [&](const nn::SummaryRow& each) { return each.name == name; });
  CAPTURE(name);
  REQUIRE(row != summary.rows.end());
  return *row;
}

// Two uses of one layer, one layer that is never used, one that is called as it should not be.
struct Odd : nn::Module {
  nn::Linear twice{3, 3}, never{3, 5}, hidden{3, 2, {.bias = false}};
  Tensor forward(const Tensor& x) override { return hidden.forward(twice(twice(x))); }
  void visit(nn::Visitor& v) override {
    v("twice", twice);
    v("never", never);
    v("hidden", hidden);
  }
};

struct Heard final : nn::CallObserver {
  std::vector<std::string> calls;
  void on_call(nn::Module& module) override { calls.push_back("call " + module.type_name()); }
  void on_return(nn::Module& module, const std::vector<Tensor>& inputs, const Tensor& output) override {
    calls.push_back("return " + module.type_name() + " " + to_string(inputs[0].shape()) + " " +
                    to_string(output.shape()));
  }
};

}  // namespace

TEST_CASE("the summary of a multilayer perceptron, to the letter") {
  nn::Sequential net = models::mlp(6, 3, {.hidden = {5, 4}});
  CHECK(nn::summary(net, {7, 6}).text() ==
        "layer  type        output  parameters  multiply-adds  activations\n"
        "-----------------------------------------------------------------\n"
        "model  Sequential  (7, 3)           -              -            -\n"
        "  0    Flatten     (7, 6)           -              -            -\n"
        "  1    Linear      (7, 5)          35            210        140 B\n"
        "  2    relu        (7, 5)           -              -        140 B\n"
        "  3    Linear      (7, 4)          24            140        112 B\n"
        "  4    relu        (7, 4)           -              -        112 B\n"
        "  5    Linear      (7, 3)          15             84         84 B\n"
        "-----------------------------------------------------------------\n"
        "total                              74            434        588 B\n"
        "input (7, 6)\n");
  // float64 numbers take twice the memory, and the input follows the parameters.
  net.to(float64);
  CHECK(nn::summary(net, {7, 6}).activation_bytes == 2 * 588);
  net[1].requires_grad_(false);
  const nn::Summary frozen = nn::summary(net, {7, 6});
  CHECK(frozen.trainable == 74 - 35);
  CHECK(frozen.text().find("input (7, 6), 35 of the parameters frozen\n") != std::string::npos);
}

TEST_CASE("LeNet has the numbers of its paper") {
  nn::Sequential net = models::lenet({1, 28, 28}, 10);
  const nn::Summary summary = nn::summary(net, {1, 1, 28, 28});
  CHECK(summary.parameters == 61'706);
  CHECK(summary.parameters == nn::parameter_count(net));
  // 28 28 6 25 + 10 10 16 150 + 400 120 + 120 84 + 84 10
  CHECK(summary.multiply_adds == 117'600 + 240'000 + 48'000 + 10'080 + 840);
  CHECK(row_of(summary, "0").output == Shape{1, 6, 28, 28});
  CHECK(row_of(summary, "0").multiply_adds == 117'600);
  CHECK(row_of(summary, "0").parameters == 156);
  CHECK(row_of(summary, "0").bytes == 6 * 28 * 28 * 4);
  const nn::Summary batch = nn::summary(net, {3, 1, 28, 28});
  CHECK(batch.multiply_adds == 3 * summary.multiply_adds);
  CHECK(batch.activation_bytes == 3 * summary.activation_bytes);
  CHECK(batch.parameters == summary.parameters);
  const std::string text = summary.text();
  CAPTURE(text);
  CHECK(text.find("61,706        416,520") != std::string::npos);
  CHECK(text.find("18.4 KiB") != std::string::npos);
}

TEST_CASE("convolutions with groups, strides and of other kinds") {
  const auto adds = [](nn::AnyModule module, const Shape& input) { return nn::summary(*module, input).multiply_adds; };
  // outputs x (channels of a group) x kernel
  CHECK(adds(nn::Conv2d{4, 6, {3, 2}, {.stride = 2, .groups = 2}}, {2, 4, 7, 8}) == (2 * 6 * 3 * 4) * 2 * 6);
  CHECK(adds(nn::Conv1d{4, 6, 3}, {2, 4, 9}) == (2 * 6 * 7) * 4 * 3);
  // inputs x (outputs of a group) x kernel
  CHECK(adds(nn::ConvTranspose2d{4, 6, 3, {.stride = 2}}, {2, 4, 5, 5}) == (2 * 4 * 5 * 5) * 6 * 9);
  CHECK(adds(nn::Linear{3, 5}, {3}) == 15);
  CHECK(adds(nn::Linear{3, 5}, {0, 3}) == 0);
  CHECK(adds(nn::ReLU{}, {4}) == 0);
}

TEST_CASE("a Transformer block, its parts indented") {
  nn::TransformerBlock block{8, 2, {.hidden = 16}};
  const nn::Summary summary = nn::summary(block, {2, 5, 8});
  CHECK(summary.parameters == 216 + 72 + 144 + 136 + 32);
  CHECK(summary.parameters == nn::parameter_count(block));
  const nn::SummaryRow& attention = row_of(summary, "self_attn");
  CHECK(attention.depth == 1);
  CHECK(attention.parameters == 216);
  // Q, K and V of 10 places, then 5 x 5 scores and sums in each sequence.
  CHECK(attention.multiply_adds == 10 * 8 * 24 + 2 * (2 * 5 * 5 * 8));
  CHECK(row_of(summary, "out_proj").depth == 2);
  CHECK(row_of(summary, "out_proj").multiply_adds == 10 * 8 * 8);
  // The feed-forward network names its members as if they were the block's.
  CHECK(row_of(summary, "-").type == "FeedForward");
  CHECK(row_of(summary, "-").parameters == 0);
  CHECK(row_of(summary, "linear1").depth == 2);
  CHECK(row_of(summary, "linear1").multiply_adds == 10 * 8 * 16);
  CHECK(summary.multiply_adds == 1920 + 800 + 640 + 2 * 1280);
  const std::string text = summary.text();
  CAPTURE(text);
  CHECK(text.find("\n  self_attn ") != std::string::npos);
  CHECK(text.find("\n    out_proj ") != std::string::npos);
  CHECK(text.find("not called") == std::string::npos);
  // In an encoder, too, which calls its blocks with a mask.
  nn::TransformerEncoder encoder{8, 2, 3, {.hidden = 16}};
  const nn::Summary deep = nn::summary(encoder, {2, 5, 8});
  CHECK(deep.multiply_adds == 3 * summary.multiply_adds);
  CHECK(row_of(deep, "layers.2").type == "TransformerBlock");
  CHECK(row_of(deep, "self_attn").depth == 2);
  // Cross-attention: queries of one length, keys of another.
  nn::MultiheadAttention cross{8, 2};
  const nn::Lambda to_memory([&](const Tensor& x) {
    const Tensor memory = zeros({2, 3, 8});
    return cross(x, memory, memory);
  });
  nn::Sequential net{to_memory};
  const nn::Summary crossed = nn::summary(net, {2, 5, 8}, {.dtype = float32});
  CHECK(row_of(crossed, "?").multiply_adds == (80 + 2 * 48) * 8 + 2 * (2 * 5 * 3 * 8));
}

TEST_CASE("layers that take more than one tensor are seen, too") {
  nn::GRUCell cell{4, 4};
  const nn::Lambda step([&](const Tensor& x) { return cell(x, x); });
  nn::Sequential net{step};
  const nn::Summary summary = nn::summary(net, {2, 4});
  REQUIRE(summary.rows.size() == 3);
  CHECK(summary.rows[2].type == "GRUCell");
  CHECK(summary.rows[2].depth == 2);
  CHECK(summary.rows[2].output == Shape{2, 4});
}

TEST_CASE("layers that run twice, never, or unseen") {
  Odd odd;
  const nn::Summary summary = nn::summary(odd, {2, 3});
  REQUIRE(summary.rows.size() == 3);
  CHECK(summary.rows[1].parameters == 12);
  CHECK(summary.rows[2].parameters == 0);
  CHECK(summary.rows[2].multiply_adds == 18);
  CHECK(summary.parameters == 12 + 20 + 6);
  const std::string text = summary.text();
  CAPTURE(text);
  CHECK(text.find("(not called)") != std::string::npos);
  CHECK(text.find(" 26 ") != std::string::npos);
}

TEST_CASE("a summary changes nothing: statistics, modes, random numbers") {
  nn::Sequential net{nn::Linear{4, 4}, nn::BatchNorm1d{4}, nn::Dropout{0.5}, nn::Identity{}, nn::Linear{4, 2}};
  net[2].eval();
  const Tensor mean = net[1].named_buffers().front().second.clone();
  const Generator::State before = default_generator(Stream::dropout).state();
  const nn::Summary summary = nn::summary(net, {6, 4});
  CHECK(allclose(mean, net[1].named_buffers().front().second, {.rtol = 0, .atol = 0}));
  CHECK(default_generator(Stream::dropout).state().draws == before.draws);
  CHECK(net.training());
  CHECK(net[1].training());
  CHECK(!net[2].training());
  for (const Tensor& parameter : net.parameters()) CHECK(!parameter.grad().defined());
  // Dropout in eval mode and Identity give what they got: no memory of their own.
  CHECK(row_of(summary, "2").bytes == 0);
  CHECK(row_of(summary, "3").bytes == 0);
  CHECK(summary.activation_bytes == (24 + 24 + 12) * 4);

  // A shape that does not fit is the layer's error, and leaves modes and observers as they were.
  CHECK(thrown([&] { (void)nn::summary(net, {6, 5}); }).find("linear") != std::string::npos);
  CHECK(nn::detail::call_observer == nullptr);
  CHECK(net[1].training());
  CHECK(!net[2].training());
}

TEST_CASE("tokens are whole numbers") {
  nn::Sequential net{nn::Embedding{10, 4}, nn::Linear{4, 3}};
  const nn::Summary summary = nn::summary(net, {2, 5}, {.dtype = int64});
  CHECK(summary.rows[0].output == Shape{2, 5, 3});
  CHECK(summary.multiply_adds == 10 * 12);
  CHECK(thrown([&] { (void)nn::summary(net, {2, 5}); }) != "nothing was thrown");
}

TEST_CASE("an observer hears the calls while it lives, and the latest one alone") {
  nn::Sequential net{nn::Linear{2, 3}, nn::ReLU{}};
  const Tensor x = zeros({4, 2});
  Heard outer;
  {
    Heard inner;
    (void)net(x);
    CHECK(inner.calls == std::vector<std::string>{"call Sequential", "call Linear", "return Linear (4, 2) (4, 3)",
                                                  "call relu", "return relu (4, 3) (4, 3)",
                                                  "return Sequential (4, 2) (4, 3)"});
  }
  CHECK(outer.calls.empty());
  (void)net[0](x);
  CHECK(outer.calls.size() == 2);
  (void)net[0].forward(x);
  CHECK(outer.calls.size() == 2);
}
