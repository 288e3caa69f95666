#include "gradus/models/char_transformer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gradus/nn/init.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using models::CharTransformer;
using models::generate;

namespace {

const models::CharTransformerOptions tiny{.vocabulary = 7, .context = 5, .width = 6, .layers = 2, .heads = 3};

std::vector<std::int64_t> numbers(const Tensor& x) { return to_vector<std::int64_t>(x); }

// All logits are these, whatever the text.
CharTransformer constant(const std::vector<double>& logits) {
  CharTransformer model{{.vocabulary = Index(logits.size()), .context = 2, .width = 2, .layers = 1, .heads = 1}};
  nn::init::zeros_(model.head.weight);
  for (std::size_t i = 0; i < logits.size(); ++i) model.head.bias.data<float>()[i] = float(logits[i]);
  return model;
}

}  // namespace

TEST_CASE("char_transformer: shapes and counts of parameters") {
  const auto block = [](Index width, Index hidden) {
    const Index attention = 4 * width * width + 4 * width, norms = 2 * 2 * width;
    return attention + norms + 2 * width * hidden + hidden + width;
  };
  CHECK(nn::parameter_count(CharTransformer{}) ==
        256 * 128 + 128 * 128 + 4 * block(128, 512) + 2 * 128 + 128 * 256 + 256);
  CHECK(nn::parameter_count(
            CharTransformer{{.vocabulary = 7, .context = 5, .width = 6, .layers = 3, .heads = 2, .hidden = 11}}) ==
        7 * 6 + 5 * 6 + 3 * block(6, 11) + 2 * 6 + 6 * 7 + 7);
  CharTransformer model{tiny};
  for (const Index length : {1, 2, 5})
    for (const Index samples : {0, 1, 3})
      CHECK(model(randint(0, 7, {samples, length})).shape() == Shape{samples, length, 7});
}

TEST_CASE("char_transformer: what comes later changes nothing earlier") {
  manual_seed(4);
  CharTransformer model{tiny};
  const Tensor a = tensor({{1, 2, 3, 4, 5}}, {.dtype = int64}), b = tensor({{1, 2, 3, 0, 6}}, {.dtype = int64});
  const Tensor of_a = model(a), of_b = model(b);
  CHECK(allclose(of_a.slice(1, 0, 3), of_b.slice(1, 0, 3), {.atol = 1e-5}));
  CHECK_FALSE(allclose(of_a.slice(1, 3, 5), of_b.slice(1, 3, 5), {.atol = 1e-2}));
}

TEST_CASE("char_transformer: a step lowers the loss") {
  for (const char* feed_forward : {"relu", "elu", "gelu", "swiglu", "mish"}) {
    CAPTURE(std::string(feed_forward));
    manual_seed(5);
    CharTransformer model{
        {.vocabulary = 5, .context = 6, .width = 8, .layers = 2, .heads = 2, .feed_forward = feed_forward}};
    const Tensor text = randint(0, 5, {4, 6});
    const auto loss = [&] {
      return nn::cross_entropy(model(text.slice(1, 0, 5)).reshape({-1, 5}), text.slice(1, 1, 6).reshape({-1}));
    };
    optim::SGD optimizer{model.parameters(), {.lr = 0.01}};
    const Tensor before = loss();
    before.backward();
    optimizer.step();
    CHECK(loss().item() < before.item());
  }
}

TEST_CASE("generate: goes on with the likeliest token at temperature 0") {
  for (int seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    manual_seed(std::uint64_t(seed));
    CharTransformer model{tiny};
    // One token at a time; only the last five are seen.
    const Tensor prompt = tensor({3, 1}, {.dtype = int64});
    Tensor by_hand = prompt;
    for (int i = 0; i < 20; ++i) {
      const Tensor seen = by_hand.slice(0, std::max<Index>(0, by_hand.numel() - 5), by_hand.numel());
      const Tensor logits = model(seen.unsqueeze(0))[0];
      by_hand = cat({by_hand, logits[seen.numel() - 1].argmax(0).reshape({1})});
    }
    CHECK(numbers(generate(model, prompt, 20, 0)) == numbers(by_hand));
    CHECK(numbers(generate(model, prompt, 0)) == numbers(prompt));
  }
}

TEST_CASE("generate: draws from softmax(logits / temperature)") {
  CharTransformer model = constant({0, std::log(3.0), -std::numeric_limits<double>::infinity(), std::log(2.0)});
  const Tensor prompt = zeros({1}, {.dtype = int64});
  const int n = 3000;
  const auto check = [&](double temperature, const std::vector<double>& probability) {
    Generator generator(8);
    std::vector<int> count(4, 0);
    for (const std::int64_t token : numbers(generate(model, prompt, n, temperature, &generator).slice(0, 1, n + 1)))
      ++count[std::size_t(token)];
    for (std::size_t i = 0; i < 4; ++i) {
      const double p = probability[i];
      CAPTURE(i);
      CHECK(std::abs(count[i] - n * p) <= 4 * std::sqrt(n * p * (1 - p)));  // four standard deviations
    }
  };
  check(1, {1 / 6.0, 3 / 6.0, 0, 2 / 6.0});
  check(0.5, {1 / 14.0, 9 / 14.0, 0, 4 / 14.0});
  check(1e-300, {0, 1, 0, 0});
}

TEST_CASE("generate: the generator decides, and the model's mode stays") {
  manual_seed(7);
  models::CharTransformerOptions options = tiny;
  options.dropout = 0.5;
  CharTransformer model{options};
  const Tensor prompt = tensor({2}, {.dtype = int64});
  const auto from = [&](std::uint64_t seed) {
    Generator generator(seed);
    return numbers(generate(model, prompt, 30, 2, &generator));
  };
  const auto first = from(1);
  CHECK(from(1) == first);
  CHECK(from(2) != first);
  CHECK(model.training());
  CHECK(model.blocks.layers[0].dropout1.training());
  model.eval();
  CHECK(from(1) == first);
  CHECK_FALSE(model.training());
}

TEST_CASE("char_transformer: errors") {
  CharTransformer model{tiny};
  const Tensor prompt = zeros({1}, {.dtype = int64});
  check_contains(thrown([] { CharTransformer{{.vocabulary = 0}}; }), {"at least 1", "0 vectors"});
  check_contains(thrown([] { CharTransformer{{.context = 0}}; }), {"0 places"});
  check_contains(thrown([] { CharTransformer{{.layers = 0}}; }), {"a depth of 0"});
  check_contains(thrown([] { CharTransformer{{.width = 10, .heads = 4}}; }), {"10", "4"});
  check_contains(thrown([] { CharTransformer{{.feed_forward = "rleu"}}; }), {"rleu", "relu"});
  check_contains(thrown([] { CharTransformer{{.dropout = 1.5}}; }), {"1.5"});
  check_contains(thrown([&] { model(zeros({2, 6}, {.dtype = int64})); }), {"CharTransformer", "(2, 6)", "at most 5"});
  check_contains(thrown([&] { model(prompt); }), {"CharTransformer", "(1)"});
  check_contains(thrown([&] { model(full({1, 2}, 7, {.dtype = int64})); }), {"token 7"});
  check_contains(thrown([&] { model(zeros({1, 2})); }), {"int64"});
  check_contains(thrown([&] { generate(model, zeros({0}, {.dtype = int64}), 3); }), {"generate", "(0)", "at least 1"});
  check_contains(thrown([&] { generate(model, zeros({1}), 3); }), {"generate", "float32"});
  check_contains(thrown([&] { generate(model, zeros({1, 1}, {.dtype = int64}), 3); }), {"generate", "(1, 1)"});
  check_contains(thrown([&] { generate(model, prompt, -1); }), {"-1 tokens"});
  check_contains(thrown([&] { generate(model, prompt, 1, -0.5); }), {"temperature is -0.5"});
  check_contains(thrown([&] { generate(model, prompt, 1, std::nan("")); }), {"temperature"});
  check_contains(thrown([&] { generate(model, full({1}, 9, {.dtype = int64}), 1); }), {"token 9"});
  CHECK(model.training());
  CharTransformer broken = constant({0, std::nan("")});
  check_contains(thrown([&] { generate(broken, prompt, 1); }), {"generate", "NaN"});
}
