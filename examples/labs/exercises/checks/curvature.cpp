#include <cmath>
#include <string>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/scalar_loss.hpp>

#include <curvature.hpp>

using namespace exercise;
using namespace gradus;

namespace {

const activations::Function& gelu() {
  static const activations::Function f = activations::activation("gelu");
  return f;
}

void at_zero() {
  for (const double t : {-1.0, 0.0, 0.5, 1.0})
    expect_close("t = " + std::to_string(t), curvature_at_zero(t), theory::scalar_loss(gelu(), t, 0).curvature);
}

void convex() {
  const double t = convex_target();
  expect(std::isfinite(t), "a target is finite");
  for (double w = -1; w <= 3; w += 0.001) {
    const double curvature = theory::scalar_loss(gelu(), t, w).curvature;
    expect(curvature >= 0, "with t = " + std::to_string(t) + ", L'' = " + std::to_string(curvature) + " at w = " + std::to_string(w));
  }
}

void damped() {
  const auto f = [](double w) { return gelu()(w); };
  const auto slope = [](double w) { return gelu()(1, w); };
  expect_close("one step from 2, t = 1, damping 0.1", gauss_newton(f, slope, 1, 2, 0.1, 1),
               2 - (f(2) - 1) * slope(2) / (slope(2) * slope(2) + 0.1));
  for (const double start : {-0.5, 0.2, 2.0})
    expect_close("g at the limit, from " + std::to_string(start), f(gauss_newton(f, slope, 1, start, 0.01, 2000)), 1, 1e-6);
}

void start() {
  const double w = bad_start();
  expect(w >= -0.7 && w <= 4, "w must lie in [-0.7, 4]");
  const theory::NewtonPath path = theory::newton_path(gelu(), 1, w);
  expect(!path.converged || theory::scalar_loss(gelu(), 1, path.weights.back()).curvature <= 0,
         "from w = " + std::to_string(w) + " Newton's method reaches the minimum");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("curvature",
                 {{"the curvature at 0", at_zero},
                  {"a target without negative curvature", convex},
                  {"Gauss-Newton with damping", damped},
                  {"a start that Newton's method does not survive", start}},
                 argc, argv);
}
