#include <algorithm>
#include <cmath>
#include <string>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/moments.hpp>
#include <gradus/theory/residual.hpp>

#include <transformer_gradients.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void fluctuation() { expect_close("ReLU", relu_fluctuation(), theory::gain_fluctuation(activations::activation("relu"))); }

void pre_norm() {
  for (const int blocks : {0, 1, 7, 20})
    for (const double v : {0.5, 1.0, 3.0})
      expect_close(std::to_string(blocks) + " blocks, v = " + std::to_string(v), relu_pre_norm_gain(blocks, v),
                   theory::pre_norm_stack(activations::activation("relu"), blocks, {.variance = v}).gain);
}

void leaky() {
  const double a = steady_leaky_slope();
  expect(a >= 0 && a <= 1, "the slope is between 0 and 1");
  const double k = 2 * (1 + std::pow(a, 4)) / std::pow(1 + a * a, 2);
  expect_close("your slope, 3 k - 1", 3 * k - 1, theory::gain_fluctuation(activations::activation("elu")), 1e-6);
}

void steady() {
  const auto power = [](int exponent) { return theory::gaussian_expectation([=](double x) { return std::pow(steady_slope(x), exponent); }); };
  const double second = power(2), fourth = power(4);
  expect_close("E f'^2", second, 1, 1e-6);
  expect(3 * fourth / (second * second) - 1 < 2.1, "3 k - 1 is " + std::to_string(3 * fourth / (second * second) - 1) + ", not below 2.1");
  double low = steady_slope(-3), high = low;
  for (double x = -3; x <= 3; x += 0.01) low = std::min(low, steady_slope(x)), high = std::max(high, steady_slope(x));
  expect(high - low >= 0.01, "f is nearly a straight line");
  const double step = 1e-4;
  for (double x = -3; x <= 3; x += 0.01)
    expect(std::fabs(steady_slope(x + step) - 2 * steady_slope(x) + steady_slope(x - step)) / (step * step) < 100, "f' has a corner near " + std::to_string(x));
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("transformer_gradients",
                 {{"how much a ReLU layer's gain fluctuates", fluctuation},
                  {"pre-norm blocks of ReLU", pre_norm},
                  {"a leaky ReLU as steady as ELU", leaky},
                  {"an activation that is steady", steady}},
                 argc, argv);
}
