#include <cmath>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/double_backprop.hpp>
#include <gradus/theory/gaussian.hpp>

#include <double_backprop.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void relu() {
  const activations::Function f = activations::activation("relu");
  for (const double w : {0.5, 1.0, 3.0})
    for (const double bias : {-1.0, 0.0, 1.0})
      expect_close(fmt::format("w = {}, bias = {}", w, bias), relu_mean_gradient(w, bias, theory::normal_cdf),
                   theory::double_backprop(f, {.bias = bias, .weight = w}).mean_gradient);
}

// Against differences of the penalty itself.
void gradient() {
  for (const char* name : {"elu", "tanh", "gelu"}) {
    const activations::Function f = activations::activation(name);
    for (const double x : {-1.5, 0.4, 2.0}) {
      const double w = 1.3, b = -0.2, h = 1e-5;
      const auto penalty = [&](double weight) { return std::pow(weight * f(1, weight * x + b), 2) / 2; };
      const double z = w * x + b;
      expect_close(fmt::format("{}, w = {}, x = {}, b = {}", name, w, x, b), penalty_gradient(w, x, f(1, z), f(2, z)),
                   (penalty(w + h) - penalty(w - h)) / (2 * h), 1e-7);
    }
  }
}

void differences() {
  const auto loss = [](const std::vector<double>& x) { return std::sin(x[0]) * x[1] + x[2] * x[2]; };
  const std::vector<double> x{0.3, -2, 1.5};
  const double expected = (std::pow(std::cos(0.3) * -2, 2) + std::pow(std::sin(0.3), 2) + 9) / 2;
  expect_close("sin(x0) x1 + x2^2 at (0.3, -2, 1.5), h = 1e-4", penalty_by_differences(loss, x, 1e-4), expected, 1e-6);
}

void even() {
  const auto lambda = [](const char* name, double bias) {
    return theory::double_backprop(activations::activation(name), {.bias = bias}).lambda_mean;
  };
  const double bias = break_even(lambda);
  expect(bias >= -2 && bias <= 2, fmt::format("the bias {} is not between -2 and 2", bias));
  expect_close(fmt::format("at bias {}: lambda of elu, and of relu", bias), lambda("elu", bias), lambda("relu", bias), 1e-6);
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("double_backprop",
                 {{"ReLU's gradient is not 0", relu},
                  {"the gradient of the penalty", gradient},
                  {"the penalty by differences", differences},
                  {"where ELU and ReLU need the same", even}},
                 argc, argv);
}
