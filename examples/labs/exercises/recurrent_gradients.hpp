#pragma once
// The exercises of the lab recurrent_gradients (docs/labs/recurrent_gradients.md). Replace each call of to_do() by your answer and run
//   make check LAB=recurrent_gradients EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. E ELU'(X)^2 for X ~ N(0, 1), alpha = 1.
inline double elu_slope_second() {
  return to_do("the slope is 1 above 0 and e^x below; complete the square in E[e^(2 X); X < 0]");
}

// 2, change one thing. The sigma_w with which the root mean square of gradients neither fades nor grows through an ELU network whose
// pre-activations are N(0, 1).
inline double steady_deviation() {
  return to_do("sigma_w sqrt(E f'^2) = 1");
}

// 3, implement. d z_T / d z_0 for z_(t+1) = w ELU(z_t), T = steps.
inline double gradient_through_time(double z, double w, int steps) {
  (void)z, (void)w, (void)steps;
  return to_do("the product over time of w ELU'(z_t); move z on in the same loop");
}

// 4, open. The slope f'(x), even or not, of an activation with E f' between 0 and 1/2 and E f'^2 = 1 to 1e-4 under N(0, 1), and
// |f'| <= 4: its mean slope says that gradients decay, and they do not.
inline double slope_of_small_mean(double x) {
  (void)x;
  return to_do("slopes may be large on one part of the line and 0, or negative, on the rest");
}

}  // namespace exercise
