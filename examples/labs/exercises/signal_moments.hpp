#pragma once
// The exercises of the lab signal_moments (docs/labs/signal_moments.md). Replace each call of to_do() by your answer and run
//   make check LAB=signal_moments EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. E ReLU(X)^2 for X ~ N(0, q).
inline double relu_second_moment(double q) {
  (void)q;
  return to_do("half of the mass of a symmetric density carries half of its second moment");
}

// 2, derive. E GELU(X) for X ~ N(0, q).
inline double gelu_mean(double q) {
  (void)q;
  return to_do("Stein's identity: E[X h(X)] = q E[h'(X)]; h = Phi has h' = phi, and E phi(X) is a Gaussian integral");
}

// 3, change one thing. Which variance must X have for E GELU(X)^2 = E ReLU(X)^2 / sqrt(2)? (GELU's share rises from 1/2 to 1.)
inline double variance_of_share() {
  return to_do("bisect q in the closed form of E GELU(X)^2; E ReLU(X)^2 is exercise 1");
}

// 4, open. A function f that is not ReLU(c x) and not linear, with E f(X)^2 = q / 2 for every q.
inline double scale_free(double x) {
  (void)x;
  return to_do("f must be homogeneous: f(c x) = c f(x) for c > 0. What freedom is left on each side of 0?");
}

}  // namespace exercise
