// conv1d and conv_transpose2d, and the layers made of the convolutions.
#include <cmath>

#include "gradus/nn/conv.hpp"
#include "gradus/nn/functional.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;

namespace {

struct Transposed {
  Shape x, w;
  F::ConvTranspose2dOptions options;
};
const std::vector<Transposed> transposed{
    {{2, 3, 4, 5}, {3, 4, 3, 3}, {}},
    {{2, 3, 4, 5}, {3, 2, 3, 3}, {.stride = 2, .padding = 1, .output_padding = 1}},
    {{1, 4, 3, 2}, {4, 3, 2, 3}, {.stride = {3, 2}, .padding = {0, 1}, .output_padding = {2, 0}, .groups = 2}},
    {{2, 2, 4, 3}, {2, 3, 3, 2}, {.stride = 2, .padding = 2, .output_padding = 2, .dilation = 3}},
    {{3, 2, 1, 1}, {2, 5, 1, 1}, {}},
    {{1, 1, 1, 7}, {1, 1, 1, 2}, {.stride = {1, 5}, .output_padding = {0, 4}}},
};

// Each element of x puts a copy of the kernel, times itself, into y.
Tensor scattered(const Tensor& x, const Tensor& w, const Shape& result, const F::ConvTranspose2dOptions& o) {
  Tensor y = zeros(result, {.dtype = float64});
  const Shape &sx = x.shape(), &sw = w.shape();
  const Index in_group = sx[1] / o.groups;
  const double *in = x.data<double>(), *kernel = w.data<double>();
  double* out = y.data<double>();
  for (Index n = 0; n < sx[0]; ++n)
    for (Index c = 0; c < sx[1]; ++c)
      for (Index i = 0; i < sx[2]; ++i)
        for (Index j = 0; j < sx[3]; ++j)
          for (Index f = 0; f < sw[1]; ++f)
            for (Index p = 0; p < sw[2]; ++p)
              for (Index q = 0; q < sw[3]; ++q) {
                const Index row = i * o.stride.height - o.padding.height + p * o.dilation.height;
                const Index column = j * o.stride.width - o.padding.width + q * o.dilation.width;
                if (row < 0 || row >= result[2] || column < 0 || column >= result[3]) continue;
                const Index filter = c / in_group * sw[1] + f;
                out[((n * result[1] + filter) * result[2] + row) * result[3] + column] +=
                    in[((n * sx[1] + c) * sx[2] + i) * sx[3] + j] * kernel[((c * sw[1] + f) * sw[2] + p) * sw[3] + q];
              }
  return y;
}

double largest(const Tensor& x) { return x.detach().abs().max().item(); }

}  // namespace

TEST_CASE("conv1d slides a kernel along a series") {
  const Tensor x = tensor({1, 2, 4, 8, 16}).reshape({1, 1, 5});
  CHECK(allclose(F::conv1d(x, tensor({1, -1}).reshape({1, 1, 2})), tensor({-1, -2, -4, -8}).reshape({1, 1, 4})));
  CHECK(allclose(F::conv1d(x, tensor({1, 10}).reshape({1, 1, 2}), tensor({0.5}), {.stride = 3, .padding = 1}),
                 tensor({10.5, 84.5}).reshape({1, 1, 2})));
  CHECK(allclose(F::conv1d(x, tensor({1, 100}).reshape({1, 1, 2}), {}, {.dilation = 3}),
                 tensor({801, 1602}).reshape({1, 1, 2})));
  // Groups are convolutions side by side.
  const Tensor wide = normal_numbers({2, 4, 9}), w = normal_numbers({6, 2, 3}, 2);
  const Tensor halves =
      cat({F::conv1d(wide.slice(1, 0, 2), w.slice(0, 0, 3)), F::conv1d(wide.slice(1, 2, 4), w.slice(0, 3, 6))}, 1);
  CHECK(largest_difference(F::conv1d(wide, w, {}, {.groups = 2}), halves) < 1e-14);
  CHECK(F::conv1d(zeros({0, 2, 5}), zeros({3, 2, 2})).shape() == Shape{0, 3, 4});
}

TEST_CASE("conv1d has derivatives of any order") {
  for (const F::Conv1dOptions& options : {F::Conv1dOptions{}, F::Conv1dOptions{.stride = 2, .padding = 1, .groups = 2},
                                          F::Conv1dOptions{.padding = 2, .dilation = 2}}) {
    const auto f = [&](const std::vector<Tensor>& in) { return F::conv1d(in[0], in[1], in[2], options); };
    check_derivatives(f, {leaf({2, 4, 7}, 1), leaf({6, 4 / options.groups, 3}, 2), leaf({6}, 3)});
  }
}

TEST_CASE("conv1d says what does not fit") {
  const Tensor x = zeros({2, 6, 15});
  check_error(
      [&] {
        (void)F::conv1d(x, zeros({4, 3, 3}));
      },
      {"conv1d: the input of shape (2, 6, 15) has 6 channels but the weight of shape (4, 3, 3) expects 3"});
  check_error(
      [&] {
        (void)F::conv1d(x, zeros({4, 6, 16}));
      },
      {"conv1d", "larger than the input", "length is 16", "(2, 6, 15)", "only 15"});
  check_error([&] { (void)F::conv1d(x, zeros({4, 6, 3}), {}, {.stride = 0}); }, {"conv1d", "the stride is 0; "});
  check_error([&] { (void)F::conv1d(x, zeros({4, 6, 3}), {}, {.padding = -1}); }, {"conv1d", "the padding is -1; "});
  check_error([&] { (void)F::conv1d(x, zeros({4, 6, 3}), {}, {.dilation = 0}); }, {"conv1d", "the dilation is 0; "});
  check_error([&] { (void)F::conv1d(x, zeros({4, 6, 0})); }, {"conv1d", "empty kernel"});
  check_error([&] { (void)F::conv1d(x, zeros({4, 6, 3}), zeros({6})); }, {"conv1d", "bias", "(6)", "(4)"});
  check_error(
      [&] {
        (void)F::conv1d(x[0], zeros({4, 6, 3}));
      },
      {"conv1d", "(6, 15)", "(N, channels, length)", "unsqueeze"});
  check_error(
      [&] {
        (void)F::conv1d(zeros({2, 6, 1, 15}), zeros({4, 6, 3}));
      },
      {"conv1d", "(2, 6, 1, 15)", "three axes"});
  check_error(
      [&] {
        (void)F::conv1d(x, zeros({4, 6, 1, 3}));
      },
      {"conv1d", "(4, 6, 1, 3)", "(filters, channels / groups, kernel)"});
  check_error([&] { (void)F::conv1d(x, zeros({4, 6, 3}, {.dtype = float64})); }, {"conv1d", "float32", "float64"});
}

TEST_CASE("conv_transpose2d puts a copy of the kernel for each element") {
  const Tensor x = tensor({{1, 10}, {100, 1000}}).reshape({1, 1, 2, 2});
  const Tensor w = tensor({{1, 2}, {3, 4}}).reshape({1, 1, 2, 2});
  CHECK(allclose(
      F::conv_transpose2d(x, w, tensor({0.5}), {.stride = 2}),
      tensor({{1, 2, 10, 20}, {3, 4, 30, 40}, {100, 200, 1000, 2000}, {300, 400, 3000, 4000}}).reshape({1, 1, 4, 4}) +
          0.5));
  CHECK(allclose(F::conv_transpose2d(x, w),
                 tensor({{1, 12, 20}, {103, 1234, 2040}, {300, 3400, 4000}}).reshape({1, 1, 3, 3})));
  for (const Transposed& c : transposed) {
    CAPTURE(c.w.numel());
    const Tensor in = normal_numbers(c.x, 1), kernel = normal_numbers(c.w, 2);
    const Tensor y = F::conv_transpose2d(in, kernel, {}, c.options);
    const auto out = [&](Index size, Index k, Index stride, Index padding, Index extra, Index dilation) {
      return (size - 1) * stride - 2 * padding + dilation * (k - 1) + extra + 1;
    };
    const auto& o = c.options;
    REQUIRE(y.shape() ==
            Shape{c.x[0], c.w[1] * o.groups,
                  out(c.x[2], c.w[2], o.stride.height, o.padding.height, o.output_padding.height, o.dilation.height),
                  out(c.x[3], c.w[3], o.stride.width, o.padding.width, o.output_padding.width, o.dilation.width)});
    CHECK(largest_difference(y, scattered(in, kernel, y.shape(), o)) < 1e-12);
    CHECK(largest_difference(F::conv_transpose2d(in.to(float32), kernel.to(float32), {}, o).to(float64), y) < 1e-4);
  }
  CHECK(F::conv_transpose2d(zeros({0, 2, 3, 3}), zeros({2, 4, 3, 3})).shape() == Shape{0, 4, 5, 5});
}

TEST_CASE("conv_transpose2d is the transpose of conv2d") {
  // <x, conv2d(z, w)> = <conv_transpose2d(x, w), z>, where the size of z is one of those that conv2d maps to the size
  // of x.
  const Tensor x = normal_numbers({2, 4, 5, 4}, 1), w = normal_numbers({4, 3, 3, 3}, 2),
               z = normal_numbers({2, 6, 10, 8}, 3);
  const Tensor convolved = F::conv2d(z, w, {}, {.stride = 2, .padding = 1, .groups = 2});
  const Tensor back = F::conv_transpose2d(x, w, {}, {.stride = 2, .padding = 1, .output_padding = 1, .groups = 2});
  REQUIRE(convolved.shape() == x.shape());
  REQUIRE(back.shape() == z.shape());
  CHECK(std::abs((x * convolved).sum().item() - (back * z).sum().item()) < 1e-10);
}

TEST_CASE("conv_transpose2d has derivatives of any order, the same on any number of threads") {
  for (const Transposed& c : transposed) {
    CAPTURE(c.w.numel());
    const std::vector<Tensor> inputs{leaf(c.x, 1), leaf(c.w, 2), leaf({c.w[1] * c.options.groups}, 3)};
    const auto f = [&](const std::vector<Tensor>& in) { return F::conv_transpose2d(in[0], in[1], in[2], c.options); };
    check_derivatives(f, inputs);
    if (c.x[0] > 1) check_threads(f, inputs);
  }
}

TEST_CASE("conv_transpose2d says what does not fit") {
  const Tensor x = zeros({2, 6, 5, 7}), w = zeros({6, 4, 3, 3});
  const auto fails = [&](const F::ConvTranspose2dOptions& options, const std::vector<std::string>& parts) {
    check_error([&] { (void)F::conv_transpose2d(x, w, {}, options); }, parts);
  };
  check_error(
      [&] {
        (void)F::conv_transpose2d(x, zeros({4, 6, 3, 3}));
      },
      {"conv_transpose2d", "(2, 6, 5, 7) has 6 channels", "(4, 6, 3, 3) expects 4"});
  fails({.groups = 4}, {"conv_transpose2d", "6 channels", "4 groups"});
  fails({.groups = 0}, {"conv_transpose2d", "0 groups"});
  fails({.stride = 0}, {"conv_transpose2d", "the stride is (0, 0)"});
  fails({.padding = {0, -1}}, {"conv_transpose2d", "the padding is (0, -1)"});
  fails({.dilation = {0, 1}}, {"conv_transpose2d", "the dilation is (0, 1)"});
  fails({.output_padding = 1}, {"conv_transpose2d", "output padding is (1, 1)", "less than the stride (1, 1)"});
  fails({.stride = 2, .output_padding = {1, 2}}, {"conv_transpose2d", "output padding is (1, 2)"});
  fails({.stride = 2, .output_padding = -1}, {"conv_transpose2d", "the output padding is (-1, -1)"});
  fails({.padding = 4}, {"conv_transpose2d", "nothing is left of the height", "padding of 4", "gives -1"});
  check_error([&] { (void)F::conv_transpose2d(zeros({2, 6, 5, 0}), w); }, {"conv_transpose2d", "nothing", "width"});
  check_error([&] { (void)F::conv_transpose2d(x, zeros({6, 4, 0, 3})); }, {"conv_transpose2d", "empty kernel"});
  check_error([&] { (void)F::conv_transpose2d(x, w, zeros({6})); }, {"conv_transpose2d", "bias", "(6)", "(4)"});
  check_error([&] { (void)F::conv_transpose2d(x[0], w); }, {"conv_transpose2d", "(6, 5, 7)", "unsqueeze"});
  check_error([&] { (void)F::conv_transpose2d(x, w.to(float64)); }, {"conv_transpose2d", "float32", "float64"});
  // A size that no memory holds.
  fails({.stride = Index{1} << 31}, {"conv_transpose2d", "the height would be 8589934595"});
}

TEST_CASE("layers of convolutions: shapes, names and where they start") {
  manual_seed(1);
  nn::Conv1d line{8, 6, 5, {.stride = 2, .padding = 2, .groups = 2}};
  CHECK(line.weight.shape() == Shape{6, 4, 5});
  CHECK(line.bias.shape() == Shape{6});
  CHECK(line(zeros({3, 8, 11})).shape() == Shape{3, 6, 6});
  nn::ConvTranspose2d up{8, 6, {3, 5}, {.stride = 2, .output_padding = {0, 1}, .groups = 2}};
  CHECK(up.weight.shape() == Shape{8, 3, 3, 5});
  CHECK(up.bias.shape() == Shape{6});
  CHECK(up(zeros({3, 8, 4, 7})).shape() == Shape{3, 6, 9, 18});
  CHECK(nn::parameter_count(nn::Conv1d{8, 6, 5, {.bias = false}}) == 6 * 8 * 5);
  CHECK(nn::parameter_count(nn::ConvTranspose2d{8, 6, 3, {.bias = false}}) == 8 * 6 * 9);

  // Uniform in the range of PyTorch's layers: nothing is beyond the bound, and something is near it.
  const auto fills = [](const Tensor& x, double bound) {
    CHECK(largest(x) <= bound);
    CHECK(largest(x) > 0.9 * bound);
    CHECK(x.requires_grad());
  };
  nn::Conv2d image{8, 64, {3, 5}, {.groups = 2}};
  fills(image.weight, 1 / std::sqrt(4.0 * 15)), fills(image.bias, 1 / std::sqrt(4.0 * 15));
  nn::Conv1d series{8, 64, 5};
  fills(series.weight, 1 / std::sqrt(40.0)), fills(series.bias, 1 / std::sqrt(40.0));
  nn::ConvTranspose2d larger{64, 32, 3, {.groups = 2}};
  fills(larger.weight, 1 / std::sqrt(16.0 * 9)), fills(larger.bias, 1 / std::sqrt(16.0 * 9));
}

TEST_CASE("layers of convolutions say what is wrong where they are made") {
  check_error([] { (void)nn::Conv2d{0, 4, 3}; }, {"Conv2d", "0 channels in, 4 out"});
  check_error([] { (void)nn::Conv2d{3, 4, {3, 0}}; }, {"Conv2d", "a kernel of 3 x 0"});
  check_error(
      [] {
        (void)nn::Conv2d{3, 4, 3, {.groups = 2}};
      },
      {"Conv2d", "2 groups do not divide 3 channels in and 4 out"});
  check_error([] { (void)nn::Conv1d{3, -4, 3}; }, {"Conv1d", "3 channels in, -4 out"});
  check_error([] { (void)nn::Conv1d{3, 4, 0}; }, {"Conv1d", "a kernel of 0"});
  check_error([] { (void)nn::Conv1d{4, 4, 3, {.groups = 0}}; }, {"Conv1d", "0 groups"});
  check_error([] { (void)nn::ConvTranspose2d{0, 4, 3}; }, {"ConvTranspose2d", "0 channels in, 4 out"});
  check_error([] { (void)nn::ConvTranspose2d{3, 4, {-1, 3}}; }, {"ConvTranspose2d", "a kernel of -1 x 3"});
  check_error([] { (void)nn::ConvTranspose2d{4, 6, 3, {.groups = 4}}; }, {"ConvTranspose2d", "4 groups"});
  check_error([] { (void)nn::Conv1d{3, 4, 3}(zeros({2, 4, 9})); }, {"conv1d", "(2, 4, 9)", "expects 3"});
  check_error(
      [] {
        (void)nn::ConvTranspose2d{3, 4, 3}(zeros({2, 4, 9, 9}));
      },
      {"conv_transpose2d", "(2, 4, 9, 9)", "expects 3"});
}
