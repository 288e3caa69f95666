#include <cmath>
#include <string>
#include <vector>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/mean_field.hpp>

#include <initialization.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void leaky() {
  for (const double slope : {0.0, 0.01, 0.5, 1.0}) {
    const auto f = activations::activation("leaky_relu(" + std::to_string(slope) + ")");
    expect_close("slope " + std::to_string(slope), leaky_relu_variance(slope),
                 theory::variance_preserving(f).weight_variance);
  }
}

void dead() {
  const int layers = layers_until_dead();
  expect(layers > 0 && layers < 1000, "a number of layers between 1 and 999");
  const auto variances = theory::variance_trajectory(activations::activation("gelu"), 1, layers, {2, 0});
  expect(variances.back() < 1e-3, "after that many layers the variance is still " + std::to_string(variances.back()));
  expect(variances[std::size_t(layers) - 1] >= 1e-3, "one layer less is enough");
}

void next() {
  const std::vector<double> values{0.5, -1.5, 2.0, 0.0, 0.25};
  double expected = 0;
  for (const double f : values) expected += 1.7 / 5 * f * f;
  expect_close("five units, sigma_w^2 = 1.7, sigma_b^2 = 0.3", next_variance(values.data(), 5, {1.7, 0.3}),
               expected + 0.3);
  expect_close("one unit that gives 0, sigma_b^2 = 0.1", next_variance(values.data() + 3, 1, {9, 0.1}), 0.1);
}

void silu() {
  const auto f = activations::activation("silu");
  const Variances v = stable_silu();
  expect(v.weight > 0 && v.bias >= 0, "variances are not negative");
  const theory::LayerVariances layer{v.weight, v.bias};
  expect_close("V(1)", theory::variance_map(f, 1, layer), 1, 1e-6);
  const double slope = theory::variance_slope(f, 1, layer), chi = theory::chi_1(f, 1, layer);
  expect(slope < 1, "V'(1) is " + std::to_string(slope) + ": not stable");
  expect(chi > 0.88, "chi_1 is " + std::to_string(chi));
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("initialization",
                 {{"the preserving rule of leaky ReLU", leaky},
                  {"how long a signal lives", dead},
                  {"one step of a network of finite width", next},
                  {"a stable rule for SiLU", silu}},
                 argc, argv);
}
