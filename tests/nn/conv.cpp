#include "gradus/nn/functional.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;

TEST_CASE("conv2d slides a kernel over an image") {
  const Tensor x = arange(0, 16).to(float32).reshape({1, 1, 4, 4});
  const Tensor w = tensor({{1, 0}, {0, -1}}).reshape({1, 1, 2, 2});
  CHECK(allclose(F::conv2d(x, w), full({1, 1, 3, 3}, -5)));
  CHECK(allclose(F::conv2d(x, w, tensor({7})), full({1, 1, 3, 3}, 2)));
  CHECK(allclose(F::conv2d(x, w, {}, {.stride = 2}), full({1, 1, 2, 2}, -5)));
  CHECK(F::conv2d(zeros({2, 6, 15, 17}), zeros({4, 3, 3, 5}), {}, {.stride = {2, 1}, .padding = {1, 2}, .groups = 2})
            .shape() == Shape{2, 4, 8, 17});
  CHECK(F::conv2d(zeros({2, 6, 15, 17}), zeros({4, 6, 3, 3}), {}, {.dilation = 2}).shape() == Shape{2, 4, 11, 13});
  CHECK(F::conv2d(zeros({0, 6, 5, 5}), zeros({4, 6, 3, 3})).shape() == Shape{0, 4, 3, 3});
}

TEST_CASE("conv2d agrees in float32 and float64") {
  const Tensor x = normal_numbers({3, 5, 12, 11}, 1), w = normal_numbers({7, 5, 3, 3}, 2), b = normal_numbers({7}, 3);
  const Tensor narrow = F::conv2d(x.to(float32), w.to(float32), b.to(float32), {.padding = 1});
  CHECK(largest_difference(narrow.to(float64), F::conv2d(x, w, b, {.padding = 1})) < 1e-4);
}

TEST_CASE("conv2d has derivatives of any order") {
  for (const F::Conv2dOptions& options :
       {F::Conv2dOptions{}, F::Conv2dOptions{.stride = {2, 1}, .padding = {1, 2}},
        F::Conv2dOptions{.padding = 2, .dilation = 2}, F::Conv2dOptions{.stride = 2, .padding = 1, .groups = 2}}) {
    const auto f = [&](const std::vector<Tensor>& in) { return F::conv2d(in[0], in[1], in[2], options); };
    check_derivatives(f, {leaf({2, 4, 6, 5}, 1), leaf({6, 4 / options.groups, 3, 2}, 2), leaf({6}, 3)});
  }
  check_derivatives([](const std::vector<Tensor>& in) { return F::conv2d(in[0], in[1]); },
                    {leaf({2, 3, 4, 4}, 1), leaf({5, 3, 1, 1}, 2)});
  // A third derivative, through each of the three operations.
  const auto cube = [](const std::vector<Tensor>& in) {
    const Tensor y = F::conv2d(in[0], in[1], {}, {.padding = 1});
    const std::vector<Tensor> g = grad((y * y * y).sum(), in, {.create_graph = true});
    return (g[0] * g[0]).sum() + (g[1] * g[1]).sum();
  };
  check_derivatives(cube, {leaf({2, 2, 3, 3}, 1), leaf({2, 2, 3, 3}, 2)}, {.rtol = 1e-4});
}

TEST_CASE("conv2d has derivatives of any order by Winograd's filtering as well") {
  for (const Index padding : {0, 1, 2})
    check_derivatives([&](const std::vector<Tensor>& in) { return F::conv2d(in[0], in[1], in[2], {.padding = padding}); },
                      {leaf({64, 12, 6, 7}, 1), leaf({13, 12, 3, 3}, 2), leaf({13}, 3)});
  const Tensor x = normal_numbers({16, 16, 12, 11}, 1), w = normal_numbers({16, 16, 3, 3}, 2);
  const bool before = F::winograd_enabled();
  F::set_winograd(true);
  const Tensor fast = F::conv2d(x, w);
  F::set_winograd(false);
  const Tensor direct = F::conv2d(x, w);
  F::set_winograd(before);
  CHECK(largest_difference(fast, direct) < 1e-11);
  CHECK(largest_difference(fast, direct) > 0);
}

TEST_CASE("conv2d does not depend on the number of threads") {
  check_threads([](const std::vector<Tensor>& in) { return F::conv2d(in[0], in[1], in[2], {.padding = 1}); },
                {leaf({5, 7, 19, 23}, 1), leaf({11, 7, 3, 3}, 2), leaf({11}, 3)});
}

TEST_CASE("conv2d says what does not fit") {
  const Tensor image = zeros({2, 6, 15, 17});
  check_error(
      [&] {
        (void)F::conv2d(image, zeros({4, 3, 3, 3}));
      },
      {"conv2d: the input of shape (2, 6, 15, 17) has 6 channels but the weight of shape (4, 3, 3, 3) expects 3"});
  check_error([&] { (void)F::conv2d(image, zeros({4, 6, 33, 33})); }, {"conv2d", "kernel is larger", "33", "15"});
  check_error([&] { (void)F::conv2d(image, zeros({4, 6, 3, 19})); }, {"conv2d", "width is 19", "17"});
  check_error(
      [&] {
        (void)F::conv2d(image, zeros({4, 6, 9, 3}), {}, {.dilation = 2});
      },
      {"conv2d", "height is 9", "over 17", "15"});
  check_error([&] { (void)F::conv2d(image, zeros({4, 6, 3, 3}), {}, {.stride = 0}); }, {"conv2d", "stride", "(0, 0)"});
  check_error(
      [&] {
        (void)F::conv2d(image, zeros({4, 6, 3, 3}), {}, {.padding = {0, -1}});
      },
      {"conv2d", "padding", "(0, -1)"});
  check_error([&] { (void)F::conv2d(image, zeros({4, 6, 3, 3}), {}, {.dilation = 0}); }, {"conv2d", "dilation"});
  check_error([&] { (void)F::conv2d(image, zeros({4, 6, 3, 3}), {}, {.groups = 0}); }, {"conv2d", "0 groups"});
  check_error(
      [&] {
        (void)F::conv2d(image, zeros({5, 3, 3, 3}), {}, {.groups = 2});
      },
      {"conv2d", "5 filters", "2 groups"});
  check_error([&] { (void)F::conv2d(image, zeros({4, 6, 3, 3}), zeros({3})); }, {"conv2d", "bias", "(3)", "(4)"});
  check_error([&] { (void)F::conv2d(image[0], zeros({4, 6, 3, 3})); }, {"conv2d", "(6, 15, 17)", "unsqueeze"});
  check_error(
      [&] {
        (void)F::conv2d(image, zeros({4, 6, 3, 3}, {.dtype = float64}));
      },
      {"conv2d", "float32", "float64"});
}
