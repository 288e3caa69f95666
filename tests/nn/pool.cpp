#include <cmath>
#include <limits>

#include "gradus/nn/functional.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;
using nn::IntPair;

namespace {

struct Case {
  Shape shape;
  IntPair kernel, stride, padding;
};

const std::vector<Case> cases{
    {{2, 3, 6, 6}, 2, 2, 0}, {{1, 1, 7, 5}, 3, 1, 1}, {{2, 2, 11, 13}, {2, 5}, {3, 2}, {1, 2}},
    {{1, 2, 1, 1}, 1, 1, 0}, {{1, 1, 1, 1}, 2, 1, 1}, {{3, 1, 8, 9}, {8, 9}, 1, 0},
    {{0, 3, 4, 4}, 2, 2, 0}, {{2, 0, 4, 4}, 2, 2, 0}, {{1, 1, 10, 3}, 3, {4, 1}, 0}};

// fold(values in the window, inside x, and the size of the window) for each window.
template <class Fold>
Tensor naive(const Case& c, const Tensor& x, Fold&& fold) {
  const Shape& s = c.shape;
  const Index rows = (s[2] + 2 * c.padding.height - c.kernel.height) / c.stride.height + 1;
  const Index columns = (s[3] + 2 * c.padding.width - c.kernel.width) / c.stride.width + 1;
  std::vector<double> out;
  for (Index plane = 0; plane < s[0] * s[1]; ++plane)
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j) {
        std::vector<double> values;
        for (Index p = 0; p < c.kernel.height; ++p)
          for (Index q = 0; q < c.kernel.width; ++q) {
            const Index r = i * c.stride.height - c.padding.height + p, k = j * c.stride.width - c.padding.width + q;
            if (r >= 0 && r < s[2] && k >= 0 && k < s[3])
              values.push_back(x.data<double>()[(plane * s[2] + r) * s[3] + k]);
          }
        out.push_back(fold(values, double(c.kernel.height * c.kernel.width)));
      }
  return from_vector(out, {s[0], s[1], rows, columns});
}

double total(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

}  // namespace

TEST_CASE("pooling agrees with its definition") {
  for (const Case& c : cases) {
    const Tensor x = normal_numbers(c.shape);
    CHECK(largest_difference(F::max_pool2d(x, c.kernel, {.stride = c.stride, .padding = c.padding}),
                             naive(c, x, [](const std::vector<double>& v, double) {
                               return *std::max_element(v.begin(), v.end());
                             })) == 0);
    CHECK(largest_difference(F::avg_pool2d(x, c.kernel, {.stride = c.stride, .padding = c.padding}),
                             naive(c, x, [](const std::vector<double>& v, double n) { return total(v) / n; })) < 1e-14);
    CHECK(largest_difference(
              F::avg_pool2d(x, c.kernel, {.stride = c.stride, .padding = c.padding, .count_include_pad = false}),
              naive(c, x, [](const std::vector<double>& v, double) { return total(v) / double(v.size()); })) < 1e-14);
  }
  const Tensor x = arange(0, 16).to(float32).reshape({1, 1, 4, 4});
  CHECK(allclose(F::max_pool2d(x, 2), tensor({{5, 7}, {13, 15}}).reshape({1, 1, 2, 2})));  // the stride is the kernel
  CHECK(allclose(F::avg_pool2d(x, 2), tensor({{2.5, 4.5}, {10.5, 12.5}}).reshape({1, 1, 2, 2})));
  CHECK(allclose(F::max_pool2d(x, {2, 1}, {.stride = {2, 3}}), tensor({{4, 7}, {12, 15}}).reshape({1, 1, 2, 2})));
}

TEST_CASE("the largest value may be NaN or infinite, padding never is") {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = tensor({{NAN, 1, -inf, -inf}, {2, 3, -inf, -inf}}).reshape({1, 1, 2, 4});
  const Tensor y = F::max_pool2d(x, 2);
  CHECK(std::isnan(y.data<float>()[0]));
  CHECK(y.data<float>()[1] == -inf);
  CHECK(std::isnan(F::max_pool2d(tensor({{1, 2}, {NAN, 3}}).reshape({1, 1, 2, 2}), 2).item()));
  CHECK(allclose(F::max_pool2d(full({1, 1, 2, 2}, -5), 2, {.stride = 1, .padding = 1}), full({1, 1, 3, 3}, -5)));
}

TEST_CASE("the first of equal values gets the gradient") {
  const Tensor x = zeros({1, 1, 2, 2}, {.requires_grad = true});
  CHECK(allclose(grad(F::max_pool2d(x, 2).sum(), x), tensor({{1, 0}, {0, 0}}).reshape({1, 1, 2, 2})));
}

TEST_CASE("adaptive averages divide an image into equal parts") {
  const Tensor x = normal_numbers({2, 3, 8, 6});
  CHECK(largest_difference(F::adaptive_avg_pool2d(x, {4, 3}), F::avg_pool2d(x, 2)) < 1e-15);
  CHECK(largest_difference(F::adaptive_avg_pool2d(x, 1).reshape({2, 3}), F::global_avg_pool2d(x)) < 1e-15);
  CHECK(F::global_avg_pool2d(x).shape() == Shape{2, 3});
  // Parts that do not divide evenly overlap: of 5, thirds are [0, 2), [1, 4), [3, 5).
  const Tensor row = tensor({1, 2, 4, 8, 16}).reshape({1, 1, 1, 5});
  CHECK(allclose(F::adaptive_avg_pool2d(row, {1, 3}).reshape({3}), tensor({1.5, 14.0 / 3, 12})));
  CHECK(allclose(F::adaptive_avg_pool2d(row, {1, 10}).reshape({10}), tensor({1, 1, 2, 2, 4, 4, 8, 8, 16, 16})));
}

TEST_CASE("pooling has derivatives of any order") {
  for (const Case& c : cases) {
    if (c.shape.numel() == 0) continue;
    const F::MaxPool2dOptions max_options{.stride = c.stride, .padding = c.padding};
    const F::AvgPool2dOptions options{.stride = c.stride, .padding = c.padding};
    const F::AvgPool2dOptions inside{.stride = c.stride, .padding = c.padding, .count_include_pad = false};
    check_derivatives(
        [&](const std::vector<Tensor>& in) { return square(F::max_pool2d(in[0], c.kernel, max_options)); },
        {leaf(c.shape)});
    check_derivatives([&](const std::vector<Tensor>& in) { return square(F::avg_pool2d(in[0], c.kernel, options)); },
                      {leaf(c.shape)});
    check_derivatives([&](const std::vector<Tensor>& in) { return square(F::avg_pool2d(in[0], c.kernel, inside)); },
                      {leaf(c.shape)});
    check_derivatives(
        [](const std::vector<Tensor>& in) {
          return square(F::adaptive_avg_pool2d(in[0], {3, 2}));
        },
        {leaf(c.shape)});
    check_derivatives([](const std::vector<Tensor>& in) { return square(F::global_avg_pool2d(in[0])); },
                      {leaf(c.shape)});
  }
}

TEST_CASE("pooling does not depend on the number of threads") {
  const Tensor x = leaf({5, 7, 33, 31});
  check_threads([](const std::vector<Tensor>& in) { return F::max_pool2d(in[0], 3, {.stride = 2, .padding = 1}); },
                {x});
  check_threads([](const std::vector<Tensor>& in) { return F::avg_pool2d(in[0], 3, {.stride = 2, .padding = 1}); },
                {x});
}

TEST_CASE("pooling says what does not fit") {
  const Tensor x = zeros({1, 2, 4, 5});
  check_error([&] { (void)F::max_pool2d(x, 6); }, {"max_pool2d", "(6, 6)", "(1, 2, 4, 5)"});
  check_error([&] { (void)F::max_pool2d(x, 2, {.padding = 2}); }, {"max_pool2d", "padding (2, 2)", "half"});
  check_error([&] { (void)F::max_pool2d(x, 0); }, {"max_pool2d", "kernel", "(0, 0)"});
  check_error([&] { (void)F::avg_pool2d(x, 2, {.stride = {1, -1}}); }, {"avg_pool2d", "stride", "(1, -1)"});
  check_error([&] { (void)F::avg_pool2d(x, 2, {.padding = -1}); }, {"avg_pool2d", "padding", "(-1, -1)"});
  check_error([&] { (void)F::avg_pool2d(x[0], 2); }, {"avg_pool2d", "(2, 4, 5)", "four axes"});
  check_error([&] { (void)F::adaptive_avg_pool2d(x, 0); }, {"adaptive_avg_pool2d", "(0, 0)"});
  check_error([&] { (void)F::adaptive_avg_pool2d(zeros({1, 1, 0, 3}), 1); }, {"adaptive_avg_pool2d", "nothing"});
  check_error([&] { (void)F::global_avg_pool2d(x[0]); }, {"global_avg_pool2d", "(2, 4, 5)"});
  check_error([&] { (void)F::max_pool2d(zeros({1, 1, 2, 2}, {.dtype = int64}), 2); }, {"max_pool2d", "int64"});
}
