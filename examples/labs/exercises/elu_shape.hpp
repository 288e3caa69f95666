#pragma once
// The exercises of the lab elu_shape (docs/labs/elu_shape.md). Replace each call of to_do() by your answer and run
//   make check LAB=elu_shape EXERCISE=1
#include <functional>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. What derivative number `order` of ELU jumps by at 0, from left to right: f^(order)(0+) - f^(order)(0-).
inline double jump(int order, double alpha) {
  (void)order, (void)alpha;
  return to_do(
      "on the left every derivative is alpha e^x; on the right they are 1, 0, 0, ...; and f itself is continuous");
}

// 2, change one thing. How far below 0 ELU's values can be told from -alpha in a format with p bits of precision (24
// for float, 53 for double), alpha = 1: the x at which 1 - e^x is rounded to 1.
inline double saturates_below(int p) {
  (void)p;
  return to_do("just below 1 numbers are 2^-p apart, so that e^x < 2^-(p+1) is lost");
}

// 3, implement. The inverse of ELU: NaN where there is none, and right to all digits near 0 as well.
inline double inverse(double y, double alpha) {
  (void)y, (void)alpha;
  return to_do("std::log1p; what is mapped to -alpha and below?");
}

// 4, open. A function that is x for x > 0, rises strictly, has a continuous slope of at most 1, presses large negative
// numbers together
// (|f(-x)| / x goes to 0), and yet is onto: every y has an x.
inline std::function<double(double)> onto() {
  return to_do<std::function<double(double)>>(
      "a logarithm goes to minus infinity as slowly as an exponential goes to its limit quickly");
}

}  // namespace exercise
