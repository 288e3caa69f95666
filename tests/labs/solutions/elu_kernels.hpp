#pragma once
#include <cmath>
#include <numbers>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

// Phi(-sqrt q) e^(q / 2): the integral of e^x below 0.
inline double elu_mean(double q) {
  return std::sqrt(q / (2 * std::numbers::pi)) + std::exp(q / 2) * std::erfc(std::sqrt(q / 2)) / 2 - 0.5;
}

// (E f)^2 + b ((E f')^2 + 2 E f dE f/dq), dE f/dq = E f'' / 2, f'' = e^x below 0.
inline double orthogonal_with_small_bias(double b) {
  const double mean = elu_mean(1), curvature = std::exp(0.5) * std::erfc(std::sqrt(0.5)) / 2, slope = 0.5 + curvature;
  return mean * mean + b * (slope * slope + mean * curvature);
}

template <class Map>
double end_of_correlation(Map map) {
  double low = 0, high = 1 - 1e-4;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (map(middle) > middle ? low : high) = middle;
  }
  return low;
}

// SELU's alpha makes E f = 0.
inline double forgetful_alpha() { return 1.6732632423543772; }

}  // namespace exercise
