// The layers whose weight is computed; values against PyTorch's are in module_parity.cpp.
#include <cmath>

#include "gradus/nn/functional.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/nn/spectral_norm.hpp"
#include "gradus/nn/weight_norm.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

// The root of the largest eigenvalue of W W^T, from its power 2^12.
double largest_singular_value(const Tensor& w) {
  const Tensor m = w.detach().to(float64).reshape({w.size(0), w.numel() / w.size(0)});
  Tensor power = matmul(m, m, {.transpose_b = true});
  double log_scale = 0;
  constexpr int squarings = 12;
  for (int i = 0; i < squarings; ++i) {
    const double size = norm(power).item();
    power = power / size;
    log_scale = 2 * (log_scale + std::log(size));
    power = matmul(power, power);
  }
  return std::exp((log_scale + std::log(norm(power).item())) / std::pow(2.0, squarings + 1));
}

}  // namespace

TEST_CASE("WeightNorm starts as the layer it wraps, with lengths and directions apart") {
  nn::Conv2d conv{3, 4, {2, 3}, {.stride = 2, .padding = 1}};
  const nn::Conv2d same = nn::clone(conv);
  nn::WeightNorm layer{conv};
  const Tensor x = normal_numbers({2, 3, 7, 6}, 1, float32);
  CHECK(allclose(layer(x), nn::Conv2d{same}(x)));
  CHECK(layer.weight_g.shape() == Shape{4, 1, 1, 1});
  CHECK(layer.weight_v.shape() == Shape{4, 3, 2, 3});
  // The length of v does not matter, that of g does.
  {
    const NoGrad no_grad;
    layer.weight_v.mul_(7);
    layer.weight_g.mul_(3);
  }
  CHECK(allclose(layer.weight(), 3.0 * same.weight, {.rtol = 1e-5, .atol = 1e-6}));
  // The gradient is orthogonal to v: Salimans and Kingma, section 2.1.
  sum(square(layer(x))).backward();
  const Tensor g = layer.weight_v.grad();
  CHECK(g.abs().max().item() > 0);
  CHECK(std::abs(sum(g * layer.weight_v.detach()).item()) <
        1e-4 * norm(g).item() * norm(layer.weight_v.detach()).item());
  nn::WeightNorm bare{nn::Linear{3, 2, {.bias = false}}};
  CHECK(bare.named_parameters().size() == 2);
  CHECK(bare(zeros({0, 3})).shape() == Shape{0, 2});
}

TEST_CASE("WeightNorm and SpectralNorm have derivatives of any order") {
  nn::WeightNorm weight_norm{nn::Linear{5, 3}};
  nn::SpectralNorm spectral_norm{nn::Linear{5, 3}};
  weight_norm.to(float64);
  spectral_norm.to(float64);
  spectral_norm.eval();
  const auto check = [](auto& layer, Tensor& parameter) {
    check_derivatives(
        [&](const std::vector<Tensor>& in) {
          const Tensor before = parameter;
          parameter = in[1];
          const Tensor y = layer(in[0]);
          parameter = before;
          return y;
        },
        {leaf({4, 5}), parameter.detach().clone().requires_grad_()});
  };
  check(weight_norm, weight_norm.weight_g);
  check(weight_norm, weight_norm.weight_v);
  check(spectral_norm, spectral_norm.weight_orig);
}

TEST_CASE("SpectralNorm divides by the largest singular value") {
  nn::Conv2d conv{3, 8, 3};
  {
    const NoGrad no_grad;
    conv.weight.mul_(5);
  }
  nn::SpectralNorm layer{conv};
  const Tensor x = normal_numbers({2, 3, 6, 6}, 1, float32);
  for (int i = 0; i < 100; ++i) (void)layer(x);
  const double sigma = largest_singular_value(layer.weight_orig);
  CHECK(layer.sigma().item() == doctest::Approx(sigma).epsilon(1e-3));
  CHECK(largest_singular_value(layer.weight()) == doctest::Approx(1).epsilon(1e-3));
  // A known one: a diagonal.
  nn::Linear linear{3, 3};
  linear.weight.set_data(tensor({{1, 0, 0}, {0, -4, 0}, {0, 0, 2}}));
  nn::SpectralNorm diagonal{linear};
  for (int i = 0; i < 30; ++i) (void)diagonal(zeros({1, 3}));
  CHECK(diagonal.sigma().item() == doctest::Approx(4).epsilon(1e-6));
}

TEST_CASE("SpectralNorm iterates in training mode only, and leaves earlier tapes valid") {
  nn::SpectralNorm layer{nn::Linear{6, 4}, {.n_power_iterations = 2}};
  const Tensor x = normal_numbers({3, 6}, 1, float32);
  layer.weight_u.copy_(tensor({1, 0, 0, 0}));
  layer.eval();
  (void)layer(x);
  CHECK(allclose(layer.weight_u, tensor({1, 0, 0, 0})));
  layer.train();
  const Tensor first = layer(x).sum();
  const Tensor moved = layer.weight_u.clone();
  CHECK(!allclose(moved, tensor({1, 0, 0, 0})));
  CHECK(norm(moved).item() == doctest::Approx(1).epsilon(1e-6));
  const Tensor second = layer(x).sum();
  CHECK(!allclose(moved, layer.weight_u, {.rtol = 0, .atol = 0}));
  (first - second).backward();
  CHECK(layer.weight_orig.grad().defined());
  CHECK(!layer.weight_u.requires_grad());
}

TEST_CASE("WeightNorm and SpectralNorm are modules: in a Sequential, cloned, saved, switched") {
  nn::Sequential net{nn::WeightNorm{nn::Linear{5, 4}}, nn::SpectralNorm{nn::Linear{4, 3}}};
  std::vector<std::string> names;
  for (const auto& [name, tensor] : net.state_dict()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"0.weight_g", "0.weight_v", "0.bias", "1.weight_orig", "1.bias", "1.weight_u",
                                          "1.weight_v"});
  nn::Sequential copy = nn::clone(net);
  net.eval();
  copy.eval();
  const Tensor x = normal_numbers({2, 5}, 1, float32);
  CHECK(largest_difference(net(x), copy(x)) == 0);
  {
    const NoGrad no_grad;
    for (Tensor p : copy.parameters()) p.add_(p);
  }
  CHECK(largest_difference(net(x), copy(x)) > 0);
  copy.load_state_dict(net.state_dict());
  CHECK(largest_difference(net(x), copy(x)) == 0);
}

TEST_CASE("WeightNorm and SpectralNorm refuse weights without a direction") {
  nn::Linear linear{3, 2};
  {
    const NoGrad no_grad;
    linear.weight.copy_(tensor({{1, 2, 3}, {0, 0, 0}}));
  }
  check_error([&] { nn::WeightNorm{linear}; }, {"WeightNorm", "slice 1", "(2, 3)"});
  {
    const NoGrad no_grad;
    linear.weight.zero_();
  }
  check_error([&] { nn::SpectralNorm{linear}; }, {"SpectralNorm", "(2, 3)"});
  check_error([] { nn::SpectralNorm(nn::Linear{3, 2}, {.n_power_iterations = 0}); }, {"n_power_iterations is 0"});
  check_error([] { nn::SpectralNorm(nn::Linear{3, 2}, {.eps = 0}); }, {"eps is 0"});
}
