#pragma once
#include <cmath>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

// E f'^2 = E f'^4 = 1/2, so k = 2.
inline double relu_fluctuation() { return 5; }

// The factor 1 + 1 / (2 v) is (v + 1/2) / v, the next v over this one: all but the ends cancel.
inline double relu_pre_norm_gain(int blocks, double v) { return (v + blocks / 2.0) / v; }

inline double steady_leaky_slope() {
  const double wanted = 2.9950506075;
  double low = 0, high = 1;
  for (int i = 0; i < 100; ++i) {
    const double a = (low + high) / 2, k = 2 * (1 + std::pow(a, 4)) / std::pow(1 + a * a, 2);
    (3 * k - 1 > wanted ? low : high) = a;
  }
  return low;
}

// f' = c (1 + s sin x): E sin^2 = (1 - e^-2) / 2, so E f'^2 = c^2 (1 + s^2 (1 - e^-2) / 2).
inline double steady_slope(double x) {
  const double s = 0.02;
  return (1 + s * std::sin(x)) / std::sqrt(1 + s * s * (1 - std::exp(-2.0)) / 2);
}

}  // namespace exercise
