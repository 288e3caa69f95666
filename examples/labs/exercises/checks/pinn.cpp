#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include <gradus/theory/pde.hpp>
#include <gradus/theory/quadrature.hpp>

#include <pinn.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void one_dimension() {
  for (const int k : {1, 2, 7}) {
    const auto squared = [k](double x) { return std::pow(std::pow(k * std::numbers::pi, 2) * std::sin(k * std::numbers::pi * x), 2); };
    expect_close("k = " + std::to_string(k), relu_residual(k), theory::integrate(squared, {0, 0.25, 0.5, 0.75, 1}), 1e-9);
  }
}

void more_dimensions() {
  for (const int d : {1, 2, 3}) expect_close(std::to_string(d) + " dimensions", relu_residual_in(d), theory::poisson_residual_floor(d));
}

void equilibrium() {
  // Only one second derivative at a time, so that a wrong term shows; then all of them.
  const auto check = [](const std::string& which, const Second& d, double x, double y) {
    const Force f = body_force(d, 3, 0.5);
    expect_close(which + ", force along x", f.x, x);
    expect_close(which + ", force along y", f.y, y);
  };
  check("u_xx = 1", {1, 0, 0, 0, 0, 0}, -4, 0);
  check("u_xy = 1", {0, 1, 0, 0, 0, 0}, 0, -3.5);
  check("u_yy = 1", {0, 0, 1, 0, 0, 0}, -0.5, 0);
  check("v_xx = 1", {0, 0, 0, 1, 0, 0}, 0, -0.5);
  check("v_xy = 1", {0, 0, 0, 0, 1, 0}, -3.5, 0);
  check("v_yy = 1", {0, 0, 0, 0, 0, 1}, 0, -4);
  check("all of them", {1, 2, 3, 4, 5, 6}, -23, -33);
}

// On a fine grid the differences of a continuous slope are of the order of the step, those of a second derivative that jumps are not.
void regularity() {
  const double h = 1e-3;
  double bend = 0, jump = 0, left = 0, right = 0;
  const auto second = [&](double x) { return (once_smooth(x + h) - 2 * once_smooth(x) + once_smooth(x - h)) / (h * h); };
  for (int i = -2990; i <= 2990; ++i) {
    const double x = (i + 0.5) * h, here = second(x);
    expect(std::isfinite(here), "not finite near x = " + std::to_string(x));
    bend = std::max(bend, std::fabs(here) * h);
    if (const double change = std::fabs(second(x + 3 * h) - second(x - 3 * h)); change > jump) {
      jump = change;
      left = second(x - 5 * h), right = second(x + 5 * h);
    }
  }
  expect(bend < 0.1, "the slope jumps: this one is not C^1");
  expect(jump > 0.05, "the second derivative does not jump: this one is C^2");
  expect(std::fabs(left) > 1e-2 && std::fabs(right) > 1e-2, "the second derivative is 0 on one side of its jump");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("pinn",
                 {{"the residual of ReLU on a line", one_dimension},
                  {"the residual of ReLU in a cube", more_dimensions},
                  {"the force that holds an elastic body", equilibrium},
                  {"smooth enough", regularity}},
                 argc, argv);
}
