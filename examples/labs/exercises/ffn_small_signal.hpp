#pragma once
// The exercises of the lab ffn_small_signal (docs/labs/ffn_small_signal.md). Replace each call of to_do() by your answer and run
//   make check LAB=ffn_small_signal EXERCISE=1
#include <string>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The share of a constant in what a ReLU unit sends: (E r)^2 / E r^2 for X ~ N(0, q), any q.
inline double constant_share_of_relu() {
  return to_do("E r = sqrt(q / (2 pi)) and E r^2 = q / 2");
}

// 2, change one thing. For small q the second moment of SiLU over ReLU's tends to 1/2 as well (its slope at 0 is 1/2). To what does it
// tend for softplus(x) - log 2, whose slope at 0 is 1/2 too?
inline double limit_of_shifted_softplus() {
  return to_do("only value and slope at 0 count for small q");
}

// 3, implement. The other input x' < 0 at which GELU has the value that it has at x < 0, x not -0.7518.
inline double partner(double x) {
  (void)x;
  return to_do("GELU falls up to -0.7518 and rises from there: bisect x Phi(x) on the other side; Phi(x) = erfc(-x / sqrt 2) / 2");
}

// 4, open. The name of an activation of the library that, at q = 1/3, passes on less than 0.75 of ReLU's second moment (as GELU does) and
// from whose value every input can be got back, and that is not the identity or a straight line with a kink.
inline std::string invertible_half() {
  return to_do<std::string>("it has to rise strictly; theory::gaussian_moments and theory::lost_variance tell the rest");
}

}  // namespace exercise
