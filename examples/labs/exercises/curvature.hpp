#pragma once
// The exercises of the lab curvature (docs/labs/curvature.md). Replace each call of to_do() by your answer and run
//   make check LAB=curvature EXERCISE=1
#include <functional>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The second derivative of L(w) = (g(w) - t)^2 / 2 at w = 0, for GELU.
inline double curvature_at_zero(double t) {
  (void)t;
  return to_do("L'' = g'^2 + (g - t) g''; at 0 GELU has g = 0, g' = 1/2, g'' = 2 phi(0)");
}

// 2, change one thing. A target t for which L'' >= 0 at every w in [-1, 3], for GELU.
inline double convex_target() { return to_do("L'' = g'^2 + (g - t) g'': which sign must (g - t) g'' have where g' is small?"); }

// 3, implement. Newton's method that never climbs: with the Gauss-Newton curvature f'^2 + damping in place of L''. Returns w after so many
// steps from `start`, for the loss (f(w) - t)^2 / 2.
inline double gauss_newton(const std::function<double(double)>& f, const std::function<double(double)>& slope, double t, double start,
                           double damping, int steps) {
  (void)f, (void)slope, (void)t, (void)start, (void)damping, (void)steps;
  return to_do("w <- w - (f - t) f' / (f'^2 + damping)");
}

// 4, open. A start w in [-0.7, 4] from which Newton's method for GELU and t = 1 does not reach the minimum, though the loss falls along
// the whole way from w to the minimum.
inline double bad_start() {
  return to_do("the loss falls from -0.75 to 1.144; where on this way is the curvature negative, and what does Newton do there?");
}

}  // namespace exercise
