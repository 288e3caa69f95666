#include <algorithm>
#include <cmath>
#include <string>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/moments.hpp>

#include <recurrent_gradients.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void second_moment() { expect_close("E ELU'^2", elu_slope_second(), theory::gaussian_moments("elu").slope_second); }

void steady() {
  const double deviation = steady_deviation();
  expect(deviation > 0 && std::isfinite(deviation), "a deviation is positive and finite");
  expect_close("your sigma_w, the factor per step", theory::recurrent_factors(activations::activation("elu"), deviation).rms, 1, 1e-6);
}

// z_T, for differences.
double last(double z, double w, int steps) {
  const activations::Function elu = activations::activation("elu");
  for (int t = 0; t < steps; ++t) z = w * elu(z);
  return z;
}

void through_time() {
  for (const double z : {-1.5, -0.3, 0.8})
    for (const double w : {-1.2, 0.7, 1.1})
      for (const int steps : {0, 1, 5}) {
        const double h = 1e-5, expected = (last(z + h, w, steps) - last(z - h, w, steps)) / (2 * h);
        expect_close("z = " + std::to_string(z) + ", w = " + std::to_string(w) + ", " + std::to_string(steps) + " steps", gradient_through_time(z, w, steps), expected, 1e-7);
      }
}

void small_mean() {
  // A midpoint sum, as the slope may jump anywhere.
  double mean = 0, second = 0, largest = 0;
  const double step = 1e-5;
  for (double x = -9 + step / 2; x < 9; x += step) {
    const double slope = slope_of_small_mean(x), weight = step * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0));
    mean += weight * slope;
    second += weight * slope * slope;
    largest = std::max(largest, std::fabs(slope));
  }
  expect(largest <= 4, "a slope of " + std::to_string(largest) + " is above 4");
  expect(mean >= 0 && mean <= 0.5, "E f' is " + std::to_string(mean) + ", not in [0, 1/2]");
  expect_close("E f'^2", second, 1, 1e-4);
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("recurrent_gradients",
                 {{"the mean square of ELU's slope", second_moment},
                  {"weights that keep gradients", steady},
                  {"backpropagation through time by hand", through_time},
                  {"a small mean slope without decay", small_mean}},
                 argc, argv);
}
