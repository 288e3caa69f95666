#include "gradus/nn/rms_norm.hpp"

#include <cmath>

#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

TEST_CASE("RMSNorm divides by the root of the mean square") {
  nn::RMSNorm layer{4, {.eps = 1e-12}};
  layer.weight = tensor({1, 2, 3, 4}, {.dtype = float64, .requires_grad = true});
  // The mean square of (1, 1, 1, 5) is 7, of (2, 0, 0, 0) 1.
  const Tensor x = tensor({{1, 1, 1, 5}, {2, 0, 0, 0}}, {.dtype = float64});
  const double r = std::sqrt(7.0);
  CHECK(largest_difference(layer(x), tensor({{1 / r, 2 / r, 3 / r, 20 / r}, {2, 0, 0, 0}}, {.dtype = float64})) <
        1e-11);

  nn::RMSNorm plane{Shape{2, 3}, {.elementwise_affine = false}};
  const Tensor y = plane(normal_numbers({5, 2, 3}));
  CHECK(largest_difference(mean(square(y), {.axes = {1, 2}}), ones({5}, {.dtype = float64})) < 1e-12);
}

TEST_CASE("RMSNorm: shapes, parameters, and eps by default the spacing at 1") {
  nn::RMSNorm layer{6};
  CHECK(allclose(layer.weight, ones({6})));
  CHECK(layer.weight.requires_grad());
  CHECK(nn::parameter_count(layer) == 6);
  CHECK(layer.named_parameters()[0].first == "weight");
  CHECK(nn::parameter_count(nn::RMSNorm{Shape{3, 6}, {.elementwise_affine = false}}) == 0);
  for (const Shape& shape : {Shape{6}, Shape{3, 6}, Shape{2, 3, 6}, Shape{0, 6}})
    CHECK(layer(zeros(shape)).shape() == shape);
  // With x^2 = eps the result is x / sqrt(2 eps) = 1 / sqrt(2).
  const double narrow = std::ldexp(1.0, -23), wide = std::ldexp(1.0, -52);
  CHECK(std::abs(layer(full({6}, std::sqrt(narrow)))[0].item() - std::sqrt(0.5)) < 1e-6);
  layer.to(float64);
  CHECK(std::abs(layer(full({6}, std::sqrt(wide), {.dtype = float64}))[0].item() - std::sqrt(0.5)) < 1e-12);
}

TEST_CASE("RMSNorm has derivatives of any order") {
  check_derivatives(
      [](const std::vector<Tensor>& in) {
        nn::RMSNorm layer{4};
        layer.weight = in[1];
        return layer(in[0]);
      },
      {leaf({3, 4}, 1), leaf({4}, 2)});
}

TEST_CASE("RMSNorm says what does not fit") {
  check_error([] { (void)nn::RMSNorm{0}; }, {"RMSNorm", "size 0"});
  check_error([] { (void)nn::RMSNorm{Shape{}}; }, {"RMSNorm", "no axes"});
  check_error([] { (void)nn::RMSNorm{3, {.eps = 0.0}}; }, {"RMSNorm", "eps is 0"});
  check_error([] { (void)nn::RMSNorm{3, {.eps = std::nan("")}}; }, {"RMSNorm", "eps is nan"});
  check_error([] { (void)nn::RMSNorm{3}(zeros({2, 4})); }, {"rms_norm", "(2, 4)", "(3)"});
}
