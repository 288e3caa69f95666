#pragma once
#include <cmath>
#include <functional>
#include <numbers>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double curvature_at_zero(double t) { return 0.25 - t * 2 / std::sqrt(2 * std::numbers::pi); }

// Below the minimum of GELU g - t is positive, and so is g'' on (-sqrt 2, sqrt 2); beyond sqrt 2 the first term is about 1.
inline double convex_target() { return -0.2; }

inline double gauss_newton(const std::function<double(double)>& f, const std::function<double(double)>& slope, double t, double start,
                           double damping, int steps) {
  double w = start;
  for (int i = 0; i < steps; ++i) w -= (f(w) - t) * slope(w) / (slope(w) * slope(w) + damping);
  return w;
}

inline double bad_start() { return 0.2; }

}  // namespace exercise
