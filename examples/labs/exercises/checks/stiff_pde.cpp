#include <cmath>
#include <string>
#include <utility>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/finite_difference.hpp>

#include <stiff_pde.hpp>

using namespace exercise;
using namespace gradus;

namespace {

std::string at(double x, double h) { return "x = " + std::to_string(x) + ", h = " + std::to_string(h); }

double of_elu(double x, double h) { return theory::forward_difference_error(activations::activation("elu"), x, h).error; }

void left() {
  for (const auto& [x, h] : {std::pair{-1.0, 0.01}, {-2.0, 0.5}, {-0.1, 0.1}}) expect_close(at(x, h), error_left_of_kink(x, h), of_elu(x, h), 1e-11);
}

void across() {
  for (const auto& [x, h] : {std::pair{-0.005, 0.01}, {-1.0, 1.5}, {-0.1, 0.3}}) expect_close(at(x, h), error_across_kink(x, h), of_elu(x, h), 1e-11);
}

// Exact for parabolas, and of second order for e^x: halving h quarters the error.
void second_order() {
  const auto parabola = [](double x) { return 3 * x * x - x + 2; };
  for (const double x : {-1.0, 0.3}) expect_close("3 x^2 - x + 2 at " + std::to_string(x), better_difference(parabola, x, 0.1), 6 * x - 1, 1e-10);
  const auto exponential = [](double x) { return std::exp(x); };
  const double coarse = better_difference(exponential, 0, 0.02) - 1, fine = better_difference(exponential, 0, 0.01) - 1;
  expect(std::fabs(coarse) > 3.5 * std::fabs(fine), "halving h must at least quarter the error of e^x (about)");
  expect_close("e^x at 0, h = 0.01", better_difference(exponential, 0, 0.01), 1, 1e-4);
}

void flat() {
  const double h = 1e-3, curvature = (flat_at_zero(h) - 2 * flat_at_zero(0) + flat_at_zero(-h)) / (h * h);
  expect(std::fabs(curvature) < 1e-3, "f''(0) is " + std::to_string(curvature));
  const double even = flat_at_zero(1) + flat_at_zero(-1) - 2 * flat_at_zero(0);
  expect(std::isfinite(even) && std::fabs(even) > 1e-3, "its even part is 0 at 1: this one may be odd");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("stiff_pde",
                 {{"left of the kink", left}, {"across the kink", across}, {"a better difference", second_order}, {"no error of first order at 0", flat}},
                 argc, argv);
}
