#pragma once
// The exercises of the lab double_backprop (docs/labs/double_backprop.md). Replace each call of to_do() by your answer and run
//   make check LAB=double_backprop EXERCISE=1
#include <functional>
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. E dR/dw for one ReLU unit of weight w, R = (dy/dx)^2 / 2, y = relu(w x + bias), x ~ N(0, 1); `phi` is the normal distribution
// function. (w > 0.)
inline double relu_mean_gradient(double w, double bias, const std::function<double(double)>& phi) {
  (void)w, (void)bias, (void)phi;
  return to_do("R is w^2 / 2 on active inputs and 0 on others; how often is a unit active?");
}

// 2, change one thing. The penalty of one unit is (w f'(w x + b))^2 / 2. Return dR/dw for a given x, of slope f' = d1 and second derivative
// f'' = d2 at w x + b.
inline double penalty_gradient(double w, double x, double d1, double d2) {
  (void)w, (void)x, (void)d1, (void)d2;
  return to_do("the product rule: w itself, and the w inside of f'");
}

// 3, implement. R = |dL/dx|^2 / 2 of L(x), by central differences with step h, for a function of several numbers.
inline double penalty_by_differences(const std::function<double(const std::vector<double>&)>& loss, const std::vector<double>& x,
                                     double h) {
  (void)loss, (void)x, (void)h;
  return to_do("one pair of calls for each number");
}

// 4, open. `lambda(name, bias)` is the strength that brings |lambda E dR/dw| to 1. Find a bias between -2 and 2, to 1e-6, at which ELU and
// ReLU need the same.
inline double break_even(const std::function<double(const char* name, double bias)>& lambda) {
  (void)lambda;
  return to_do("ELU needs less at 0 and more at 1: halve that interval");
}

}  // namespace exercise
