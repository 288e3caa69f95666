#include "gradus/nn/group_norm.hpp"

#include <cmath>

#include "gradus/nn/batch_norm.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

template <class Layer>
Layer in_double(Layer layer) {
  layer.to(float64);
  return layer;
}

}  // namespace

TEST_CASE("GroupNorm standardises each group of each sample, then scales and shifts each channel") {
  auto layer = in_double(nn::GroupNorm{2, 6, {.eps = 0.01}});
  layer.weight = leaf({6}, 2), layer.bias = leaf({6}, 3);
  const Tensor x = normal_numbers({3, 6, 4, 5}) * 2.0 + 1.0;
  const Tensor parts = x.reshape({3, 2, 60});
  const ReduceOptions along{.axes = {2}, .keepdim = true};
  const Tensor centred = parts - mean(parts, along);
  const Tensor standard = (centred / sqrt(mean(square(centred), along) + 0.01)).reshape(x.shape());
  CHECK(largest_difference(layer(x), standard * layer.weight.reshape({6, 1, 1}) + layer.bias.reshape({6, 1, 1})) <
        1e-12);
  // The batch plays no part, in training or not.
  CHECK(largest_difference(layer(x).slice(0, 1, 2), layer(x.slice(0, 1, 2))) == 0);
  const Tensor training = layer(x);
  layer.eval();
  CHECK(largest_difference(layer(x), training) == 0);
}

TEST_CASE("GroupNorm of one sample with a group for each channel is batch norm") {
  auto groups = in_double(nn::GroupNorm{5, 5});
  auto batch = in_double(nn::BatchNorm2d{5});
  const Tensor x = normal_numbers({1, 5, 7, 3});
  CHECK(largest_difference(groups(x), batch(x)) < 1e-13);
}

TEST_CASE("GroupNorm: shapes and parameters") {
  nn::GroupNorm layer{3, 6};
  CHECK(allclose(layer.weight, ones({6})));
  CHECK(allclose(layer.bias, zeros({6})));
  CHECK(nn::parameter_count(layer) == 12);
  CHECK(nn::parameter_count(nn::GroupNorm{3, 6, {.affine = false}}) == 0);
  for (const Shape& shape : {Shape{2, 6}, Shape{2, 6, 5}, Shape{2, 6, 3, 1}, Shape{2, 6, 2, 3, 2}, Shape{0, 6, 4}})
    CHECK(layer(zeros(shape)).shape() == shape);
  // Equal numbers have no spread: eps keeps the result at the shift.
  CHECK(allclose(layer(full({1, 6, 4}, 1e4)), zeros({1, 6, 4})));
}

TEST_CASE("GroupNorm has derivatives of any order") {
  check_derivatives(
      [](const std::vector<Tensor>& in) {
        auto layer = in_double(nn::GroupNorm{2, 4});
        layer.weight = in[1];
        layer.bias = in[2];
        return layer(in[0]);
      },
      {leaf({2, 4, 3, 2}, 1), leaf({4}, 2), leaf({4}, 3)});
}

TEST_CASE("GroupNorm says what does not fit") {
  check_error([] { (void)nn::GroupNorm{4, 6}; }, {"GroupNorm", "4 groups do not divide 6 channels"});
  check_error([] { (void)nn::GroupNorm{0, 6}; }, {"GroupNorm", "0 groups"});
  check_error([] { (void)nn::GroupNorm{1, 0}; }, {"GroupNorm", "0 channels"});
  check_error([] { (void)nn::GroupNorm{1, 6, {.eps = 0}}; }, {"GroupNorm", "eps is 0"});
  check_error([] { (void)nn::GroupNorm{1, 6, {.eps = std::nan("")}}; }, {"GroupNorm", "eps is nan"});
  for (const bool affine : {true, false}) {
    check_error(
        [&] {
          (void)nn::GroupNorm{2, 6, {.affine = affine}}(zeros({2, 4, 3}));
        },
        {"group_norm", "(N, 6, ...)", "(2, 4, 3)"});
    check_error([&] { (void)nn::GroupNorm{2, 6, {.affine = affine}}(zeros({6})); }, {"group_norm", "(6)"});
  }
}
