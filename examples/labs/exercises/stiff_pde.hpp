#pragma once
// The exercises of the lab stiff_pde (docs/labs/stiff_pde.md). Replace each call of to_do() by your answer and run
//   make check LAB=stiff_pde EXERCISE=1
#include <functional>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The error (f(x + h) - f(x)) / h - f'(x) of ELU (alpha = 1) for x < x + h <= 0, in closed form.
inline double error_left_of_kink(double x, double h) {
  (void)x, (void)h;
  return to_do("f(x) = e^x - 1: e^x comes out as a factor, what is left depends on h alone");
}

// 2, change one thing. The same with the kink inside: x < 0 < x + h.
inline double error_across_kink(double x, double h) {
  (void)x, (void)h;
  return to_do("f(x + h) = x + h on the right, f(x) = e^x - 1 on the left");
}

// 3, implement. A difference quotient of f for the slope at x whose error falls like h^2 for smooth f.
inline double better_difference(const std::function<double(double)>& f, double x, double h) {
  (void)f, (void)x, (void)h;
  return to_do("take f at x - h and x + h: the term with f'' cancels");
}

// 4, open. An activation other than a straight line whose forward difference has no error of first order at x = 0 (f''(0) = 0), and
// that is not an odd function.
inline double flat_at_zero(double x) {
  (void)x;
  return to_do("expand f at 0: the term x^2 must be missing, and something even must be left");
}

}  // namespace exercise
