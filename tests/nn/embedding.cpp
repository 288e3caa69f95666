#include "gradus/nn/embedding.hpp"

#include <cmath>

#include "gradus/nn/sequential.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

TEST_CASE("an embedding looks rows up, for tokens of any shape") {
  nn::Embedding embed{5, 3};
  CHECK(embed.named_parameters().size() == 1);
  CHECK(embed.named_parameters()[0].first == "weight");
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{2, 3}, Shape{2, 1, 5}, Shape{0}, Shape{3, 0}}) {
    const Tensor tokens = randint(0, 5, shape);
    const Tensor y = embed(tokens);
    Shape expected = shape;
    expected.push_back(3);
    REQUIRE(y.shape() == expected);
    for (Index i = 0; i < tokens.numel(); ++i)
      for (Index j = 0; j < 3; ++j)
        CHECK(y.data<float>()[3 * i + j] == embed.weight.data<float>()[3 * tokens.data<std::int64_t>()[i] + j]);
  }
}

TEST_CASE("an embedding starts as N(0, 1), from the stream of initialisation") {
  manual_seed(3);
  const nn::Embedding a{100, 100};
  CHECK(std::abs(a.weight.detach().mean().item()) < 0.05);  // five standard deviations of the mean of 10^4
  CHECK(std::abs(a.weight.detach().var().item() - 1) < 0.075);
  manual_seed(3);
  (void)randn({11});
  CHECK(largest_difference(a.weight, nn::Embedding{100, 100}.weight) == 0);
}

TEST_CASE("gradients of an embedding add up over the tokens, in any order of derivative") {
  nn::Embedding embed{4, 2};
  const Tensor tokens = labels_of({1, 3, 1, 1});
  const Tensor g = grad(embed(tokens).sum(), embed.weight);
  CHECK(allclose(g, tensor({{0, 0}, {3, 3}, {0, 0}, {1, 1}})));
  embed.to(float64);
  const auto f = [&](const std::vector<Tensor>& in) {
    embed.weight = in[0];
    return tanh(embed(tokens.reshape({2, 2})));
  };
  check_derivatives(f, {leaf({4, 2})});
}

TEST_CASE("the padding token is 0 and stays so") {
  for (const Index padding : {Index{2}, Index{-2}}) {
    nn::Embedding embed{4, 3, {.padding_idx = padding}};
    CHECK(embed(labels_of({2})).abs().sum().item() == 0);
    CHECK(embed(labels_of({1})).abs().sum().item() > 0);
    const Tensor g = grad(embed(labels_of({2, 0, 2, 3})).sum(), embed.weight);
    CHECK(allclose(g, tensor({{1, 1, 1}, {0, 0, 0}, {0, 0, 0}, {1, 1, 1}})));
    embed.to(float64);
    const auto f = [&](const std::vector<Tensor>& in) {
      embed.weight = in[0];
      return square(embed(labels_of({0, 3, 3, 1})));
    };
    check_derivatives(f, {leaf({4, 3})});
  }
}

TEST_CASE("an embedding says what does not fit") {
  nn::Embedding embed{20, 4};
  check_error([&] { (void)embed(labels_of({3, 20})); }, {"Embedding", "token 20", "vocabulary of 20", "0 to 19"});
  check_error([&] { (void)embed(labels_of({-1})); }, {"Embedding", "token -1"});
  check_error([&] { (void)embed(zeros({2, 3})); }, {"Embedding", "float32", "(2, 3)", "int64"});
  check_error([] { nn::Embedding{0, 4}; }, {"Embedding", "0 vectors of dimension 4"});
  check_error([] { nn::Embedding{4, -1}; }, {"Embedding", "dimension -1"});
  check_error([] { nn::Embedding{4, 2, {.padding_idx = 4}}; }, {"padding_idx is 4", "vocabulary of 4", "-4 to 3"});
  check_error([] { nn::Embedding{4, 2, {.padding_idx = -5}}; }, {"padding_idx is -5"});
}

TEST_CASE("learned positions are added to the places there are") {
  nn::PositionalEmbedding positions{5, 3};
  CHECK(positions.named_parameters()[0].first == "weight");
  CHECK(positions.weight.shape() == Shape{5, 3});
  for (const Index length : {0, 1, 4, 5}) {
    const Tensor x = normal_numbers({2, length, 3}, 1, float32);
    CHECK(largest_difference(positions(x), x + positions.weight.slice(0, 0, length)) == 0);
  }
  const Tensor g = grad(positions(zeros({2, 3, 3})).sum(), positions.weight);
  CHECK(allclose(g.sum({.axes = {1}}), tensor({6, 6, 6, 0, 0})));
  const auto f = [&](const std::vector<Tensor>& in) {
    positions.weight = in[1];
    return tanh(positions(in[0]));
  };
  check_derivatives(f, {leaf({2, 4, 3}, 1), leaf({5, 3}, 2)});
}

TEST_CASE("positions say what does not fit") {
  nn::PositionalEmbedding learned{4, 3};
  nn::SinusoidalPositions fixed{4, 3};
  check_error([&] { (void)learned(zeros({1, 5, 3})); }, {"PositionalEmbedding", "(1, 5, 3)", "length 5", "4 places"});
  check_error([&] { (void)learned(zeros({1, 4, 2})); }, {"PositionalEmbedding", "(1, 4, 2)", "width 3"});
  check_error([&] { (void)learned(zeros({3})); }, {"PositionalEmbedding", "(3)"});
  check_error([&] { (void)learned(zeros({4, 3}, {.dtype = float64})); }, {"float64", "float32"});
  check_error([&] { (void)fixed(zeros({1, 5, 3})); }, {"SinusoidalPositions", "length 5", "4 places"});
  check_error([&] { (void)fixed(zeros({4, 3}, {.dtype = int64})); }, {"SinusoidalPositions", "int64"});
  check_error([] { nn::PositionalEmbedding{0, 3}; }, {"PositionalEmbedding", "0 places of width 3"});
  check_error([] { nn::SinusoidalPositions{3, 0}; }, {"SinusoidalPositions", "3 places of width 0"});
}

TEST_CASE("sinusoidal positions are the formula's") {
  nn::SinusoidalPositions positions{50, 7};
  CHECK(positions.state_dict().empty());
  for (Index p = 0; p < 50; ++p)
    for (Index i = 0; i < 7; ++i) {
      const double angle = double(p) * std::exp(-std::log(10000.0) * double(2 * (i / 2)) / 7);
      const double expected = i % 2 == 1 ? std::cos(angle) : std::sin(angle);
      CHECK(positions.table().data<double>()[7 * p + i] == doctest::Approx(expected).epsilon(1e-13));
    }
  const Tensor x = normal_numbers({2, 3, 7}, 1);
  CHECK(largest_difference(positions(x), x + positions.table().slice(0, 0, 3)) == 0);
  CHECK(positions(x.to(float32)).dtype() == float32);
  // A shift by one place is a rotation of each pair (sin, cos) by one angle, the same for all places.
  nn::SinusoidalPositions even{20, 4};
  const double* t = even.table().data<double>();
  for (Index p = 0; p + 1 < 20; ++p)
    CHECK(t[4 * p] * t[4 * p + 4] + t[4 * p + 1] * t[4 * p + 5] == doctest::Approx(std::cos(1.0)));
}
