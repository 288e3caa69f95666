#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <string>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/lipschitz.hpp>

#include <gelu_tanh.hpp>

using namespace exercise;
using namespace gradus;

namespace {

double distance_from_gelu(const std::function<double(double)>& f) {
  const activations::Function gelu = activations::activation("gelu");
  double largest = 0;
  for (int i = -8000; i <= 8000; ++i) largest = std::max(largest, std::fabs(gelu(i / 1000.0) - f(i / 1000.0)));
  return largest;
}

void peak() { expect_close("the place", steepest(), theory::slope_range(activations::activation("gelu")).highest.at, 1e-7); }

void slope() {
  const activations::Function formula = activations::activation("gelu_tanh");
  for (const double x : {-3.0, -0.5, 0.0, 1.0, 2.5, 40.0}) expect_close("x = " + std::to_string(x), tanh_formula_slope(x), formula(1, x));
}

void quick() {
  const double b = quick_factor(), distance = distance_from_gelu([&](double x) { return x / (1 + std::exp(-b * x)); });
  expect(distance <= 0.0204,
         "with b = " + std::to_string(b) + " the largest distance is " + std::to_string(distance) + ", not below 0.0204");
}

double cubic(double c, double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + c * x * x * x))); }

void better() {
  const double c = better_cubic();
  const double published = distance_from_gelu([](double x) { return cubic(0.044715, x); });
  const double yours = distance_from_gelu([&](double x) { return cubic(c, x); });
  expect(yours < 0.95 * published, "with c = " + std::to_string(c) + " the largest distance is " + std::to_string(yours) +
                                       "; 0.044715 has " + std::to_string(published) + ", and 5 % less is wanted");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("gelu_tanh",
                 {{"where GELU is steepest", peak},
                  {"the slope of the tanh formula", slope},
                  {"the quick GELU", quick},
                  {"a better cubic term", better}},
                 argc, argv);
}
