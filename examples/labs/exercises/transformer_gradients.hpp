#pragma once
// The exercises of the lab transformer_gradients (docs/labs/transformer_gradients.md). Replace each call of to_do() by your answer and run
//   make check LAB=transformer_gradients EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. n times the relative variance of a ReLU layer's gain |W^T (f' d)|^2 / |d|^2, pre-activations N(0, q).
inline double relu_fluctuation() {
  return to_do("3 k - 1 with k = E f'^4 / (E f'^2)^2; the slope of ReLU is 0 or 1, each with chance 1/2");
}

// 2, derive. The gain of the gradients' mean square over `blocks` blocks x + W2 ReLU(W1 LN(x)), weights of variance 1 / fan-in and
// |x|^2 / n = v before the first.
inline double relu_pre_norm_gain(int blocks, double v) {
  (void)blocks, (void)v;
  return to_do("every block adds E f^2 = 1/2 to v, and multiplies gradients by 1 + E f'^2 / v: what is the product?");
}

// 3, change one thing. The slope a in [0, 1] of leaky ReLU on the left for which a layer's 3 k - 1 is that of ELU, 2.9950506.
inline double steady_leaky_slope() {
  return to_do("E f'^2 = (1 + a^2) / 2 and E f'^4 = (1 + a^4) / 2; k is a ratio that falls in a");
}

// 4, open. An activation's slope f'(x), everywhere smooth, with sigma_w^2 = 1, chi_1 = E f'^2 = 1 to 1e-6 and 3 k - 1 below 2.1, f not a
// straight line: f' varies by 0.01 at least over [-3, 3].
inline double steady_slope(double x) {
  (void)x;
  return to_do("k = 1 only if f'^2 is constant, but it may be nearly so");
}

}  // namespace exercise
