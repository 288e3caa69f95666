#include "gradus/theory/pde.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/theory/quadrature.hpp"

namespace gradus::theory {

using std::numbers::pi;

BurgersPoint burgers_sine(double x, double t, double nu) {
  if (!(nu > 0) || !(t >= 0) || !std::isfinite(nu) || !std::isfinite(t) || !std::isfinite(x))
    failf("burgers_sine", "viscosity {} at x = {}, t = {}; the viscosity must be positive, the time not negative", nu,
          x, t);
  if (t == 0) return {-std::sin(pi * x), -pi * std::cos(pi * x)};
  const double width = std::sqrt(4 * nu * t);  // eta = width z
  const auto y = [=](double z) { return x - width * z; };
  const auto exponent = [=](double z) { return -z * z - (1 + std::cos(pi * y(z))) / (2 * pi * nu); };
  // The weight has a peak for every valley of the cosine within reach: the exponent is at most 0, and its best is found
  // first. What is more than 745 below that is 0.
  double best = -std::numeric_limits<double>::infinity();
  const double reach = std::min(40.0, std::sqrt(1 / nu) + 28), step = std::min(0.05, 0.02 / width);
  std::vector<double> cuts;
  for (double z = -reach; z < reach; z += step) best = std::max(best, exponent(z));
  for (double z = -reach; z < reach; z += 8 * step) cuts.push_back(z);
  cuts.push_back(reach);
  const auto mean = [&](const auto& h) {
    return integrate([&](double z) { return std::exp(exponent(z) - best) * h(y(z)); }, cuts);
  };
  const double total = mean([](double) { return 1.0; });
  const double sine = mean([](double at) { return std::sin(pi * at); }) / total;
  const double cosine = mean([](double at) { return std::cos(pi * at); }) / total;
  const double variance = mean([=](double at) { return std::pow(std::sin(pi * at) - sine, 2); }) / total;
  return {-sine, -variance / (2 * nu) - pi * cosine};
}

BurgersFront burgers_steepest(double nu) {
  const auto slope = [nu](double t) { return burgers_sine(0, t, nu).u_x; };
  double best = 0.02;
  for (double t = 0.02; t <= 5; t += 0.02)
    if (slope(t) < slope(best)) best = t;
  constexpr double part = 1 / std::numbers::phi;
  double a = best - 0.02, b = best + 0.02;
  while (b - a > 1e-9) {
    const double left = b - part * (b - a), right = a + part * (b - a);
    (slope(left) < slope(right) ? b : a) = slope(left) < slope(right) ? right : left;
  }
  return {0.5 * (a + b), slope(0.5 * (a + b))};
}

double poisson_residual_floor(int dimensions) {
  if (dimensions < 1) failf("poisson_residual_floor", "{} dimensions; at least 1 is needed", dimensions);
  return std::pow(dimensions * pi * pi, 2) / std::ldexp(1.0, dimensions);
}

}  // namespace gradus::theory
