#include "gradus/nn/functional.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;

TEST_CASE("linear is x W^T + b, along the last axis") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}}), w = tensor({{1, 0, -1}, {0.5, 0.5, 0.5}}), b = tensor({10, 20});
  CHECK(allclose(F::linear(x, w), tensor({{-2, 3}, {-2, 7.5}})));
  CHECK(allclose(F::linear(x, w, b), tensor({{8, 23}, {8, 27.5}})));
  CHECK(allclose(F::linear(x[0], w, b), tensor({8, 23})));
  for (const Shape& leading : {Shape{5}, Shape{2, 3}, Shape{1}, Shape{0}, Shape{2, 0, 3}, Shape{7, 1, 2}}) {
    Shape shape = leading;
    shape.push_back(11);
    const Tensor input = normal_numbers(shape, 3), weight = normal_numbers({13, 11}, 4), bias = normal_numbers({13}, 5);
    const Tensor y = F::linear(input, weight, bias);
    shape[shape.size() - 1] = 13;
    CHECK(y.shape() == shape);
    CHECK(largest_difference(y, matmul(input, weight.t()) + bias) < 1e-13);
  }
  CHECK(allclose(F::linear(zeros({2, 0}), zeros({3, 0}), tensor({1, 2, 3})), tensor({{1, 2, 3}, {1, 2, 3}})));
  CHECK(F::linear(zeros({2, 4}), zeros({0, 4})).shape() == Shape{2, 0});
}

TEST_CASE("linear has derivatives of any order") {
  const auto f = [](const std::vector<Tensor>& in) { return F::linear(in[0], in[1], in[2]); };
  check_derivatives(f, {leaf({5, 3}, 1), leaf({4, 3}, 2), leaf({4}, 3)});
  check_derivatives(f, {leaf({2, 5, 3}, 1), leaf({4, 3}, 2), leaf({4}, 3)});
  check_derivatives(f, {leaf({3}, 1), leaf({1, 3}, 2), leaf({1}, 3)});
  check_derivatives([](const std::vector<Tensor>& in) { return square(F::linear(in[0], in[1])); },
                    {leaf({5, 3}, 1), leaf({4, 3}, 2)});
  const Tensor x = leaf({0, 3}), w = leaf({4, 3}), b = leaf({4});
  const std::vector<Tensor> nothing = grad(F::linear(x, w, b).sum(), {x, w, b});
  CHECK(nothing[0].shape() == Shape{0, 3});
  CHECK(nothing[1].abs().sum().item() == 0);
  CHECK(nothing[2].abs().sum().item() == 0);
}

TEST_CASE("linear says what does not fit") {
  const Tensor x = zeros({2, 3});
  check_error(
      [&] {
        (void)F::linear(x, zeros({2, 4}));
      },
      {"linear: the input has 3 features but the weight expects 4", "(2, 3)", "(2, 4)", "Linear{3, 2}"});
  check_error([&] { (void)F::linear(zeros({5, 28, 28}), zeros({10, 784})); }, {"linear", "flatten"});
  check_error([&] { (void)F::linear(x, zeros({2, 3}, {.dtype = float64})); }, {"linear", "float32", "float64"});
  check_error([&] { (void)F::linear(x, zeros({2, 3}), zeros({3})); }, {"linear", "bias", "(3)", "(2)"});
  check_error(
      [&] {
        (void)F::linear(x, zeros({2, 3}), zeros({2}, {.dtype = float64}));
      },
      {"linear", "float32", "float64"});
  check_error([&] { (void)F::linear(x, zeros({3})); }, {"linear", "(3)", "two axes"});
  check_error([&] { (void)F::linear(zeros({}), zeros({2, 3})); }, {"linear", "scalar"});
  check_error([&] { (void)F::linear(zeros({2, 3}, {.dtype = int64}), zeros({2, 3})); }, {"linear", "int64"});
}
