#pragma once
// The exercises of the lab gelu_tanh (docs/labs/gelu_tanh.md). Replace each call of to_do() by your answer and run
//   make check LAB=gelu_tanh EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The x > 0 where the slope of GELU, g'(x) = Phi(x) + x phi(x), is largest.
inline double steepest() { return to_do("phi'(x) = -x phi(x); where is the second derivative 0?"); }

// 2, implement. The slope of the tanh formula x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
inline double tanh_formula_slope(double x) {
  (void)x;
  return to_do("the product rule, and tanh' = 1 - tanh^2");
}

// 3, change one thing. A factor b for which x sigmoid(b x), the "quick" GELU, is nowhere further than 0.0204 from GELU.
inline double quick_factor() { return to_do("the best b is near 1.7; scan it and look at the largest distance"); }

// 4, open. A number c in place of 0.044715 that brings the tanh formula nearer to GELU in its largest distance.
inline double better_cubic() {
  return to_do("the published number fits well near 0; the largest distance is at 2.7. Which way must c go?");
}

}  // namespace exercise
