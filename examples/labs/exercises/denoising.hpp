#pragma once
// The exercises of the lab denoising (docs/labs/denoising.md). Replace each call of to_do() by your answer and run
//   make check LAB=denoising EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. For X ~ N(0, v) and Y = X + sigma N, the slope c of the linear estimate c Y with the least mean squared error.
inline double linear_shrinkage(double v, double sigma) {
  (void)v, (void)sigma;
  return to_do("E (c Y - X)^2 is a parabola in c; E XY = v and E Y^2 = v + sigma^2");
}

// 2, change one thing. The threshold of the one-sided soft threshold max(y - lambda, 0) that is best where the lab's signal (0 with
// chance 1/2, else |N(0, 1)|) has noise of deviation 0.7; to 1 %.
inline double one_sided_threshold() {
  return to_do("theory::denoising_risk gives the error of theory::one_sided_threshold(lambda); try some, or bisect its slope");
}

// 3, implement. The proximal map of h(x) = weight |x| at y: the x that makes (x - y)^2 / 2 + weight |x| least.
inline double proximal(double y, double weight) {
  (void)y, (void)weight;
  return to_do("for x > 0 the derivative x - y + weight vanishes at one place; what if that place is not above 0?");
}

// 4, open. A pointwise estimate of the lab's signal (0 with chance 1/2, else |N(0, 1)|) from y at noise 0.5 whose error is below 0.1195,
// better than every one in the lab's table but the posterior mean (0.1154). No integrals, please: elementary functions only.
inline double estimate(double y) {
  (void)y;
  return to_do("draw E[X | Y = y]: it is smooth, rises, and tends to y / (1 + sigma^2). Which smooth function has these two ends?");
}

}  // namespace exercise
