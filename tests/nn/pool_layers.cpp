// The layers of pooling hand over what they were given.
#include "gradus/nn/functional.hpp"
#include "gradus/nn/pool.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;

TEST_CASE("layers of pooling hand their options over") {
  const Tensor x = normal_numbers({2, 3, 7, 8}), inside = full({1, 1, 2, 2}, 1.0);
  CHECK(largest_difference(nn::MaxPool2d{{3, 2}, {.stride = {2, 1}, .padding = 1}}(x),
                           F::max_pool2d(x, {3, 2}, {.stride = {2, 1}, .padding = 1})) == 0);
  CHECK(nn::MaxPool2d{2}(x).shape() == Shape{2, 3, 3, 4});
  // One element of four, and padding that counts as zeros or not at all.
  CHECK(allclose(nn::AvgPool2d{2, {.padding = 1}}(inside), full({1, 1, 2, 2}, 0.25)));
  CHECK(allclose(nn::AvgPool2d{2, {.padding = 1, .count_include_pad = false}}(inside), inside));
  CHECK(largest_difference(nn::AvgPool2d{{3, 2}, {.stride = {2, 1}, .padding = 1}}(x),
                           F::avg_pool2d(x, {3, 2}, {.stride = {2, 1}, .padding = 1})) == 0);
  CHECK(largest_difference(nn::AdaptiveAvgPool2d{{3, 5}}(x), F::adaptive_avg_pool2d(x, {3, 5})) == 0);
  CHECK(nn::AdaptiveAvgPool2d{4}(x).shape() == Shape{2, 3, 4, 4});
  CHECK(largest_difference(nn::GlobalAvgPool2d{}(x), nn::AdaptiveAvgPool2d{1}(x).reshape({2, 3})) < 1e-15);
}

TEST_CASE("layers of pooling say what is wrong where they are made") {
  check_error([] { (void)nn::MaxPool2d{{2, 0}}; }, {"MaxPool2d", "kernel 2 x 0"});
  check_error([] { (void)nn::MaxPool2d{2, {.stride = -1}}; }, {"MaxPool2d", "stride -1 x -1"});
  check_error(
      [] {
        (void)nn::MaxPool2d{3, {.padding = 2}};
      },
      {"MaxPool2d", "padding 2 x 2", "half of the kernel 3 x 3"});
  check_error([] { (void)nn::AvgPool2d{0}; }, {"AvgPool2d", "kernel 0 x 0"});
  check_error([] { (void)nn::AvgPool2d{{2, 4}, {.padding = {0, 3}}}; }, {"AvgPool2d", "padding 0 x 3"});
  check_error([] { (void)nn::AdaptiveAvgPool2d{{3, 0}}; }, {"AdaptiveAvgPool2d", "3 x 0"});
  check_error([] { (void)nn::AdaptiveAvgPool2d{2}(zeros({3, 4, 4})); }, {"adaptive_avg_pool2d", "(3, 4, 4)"});
}
