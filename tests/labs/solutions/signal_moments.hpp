#pragma once
#include <cmath>
#include <numbers>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double relu_second_moment(double q) { return q / 2; }

inline double gelu_mean(double q) { return q / std::sqrt(2 * std::numbers::pi * (1 + q)); }

inline double variance_of_share() {
  const auto share = [](double q) {
    return 0.5 + std::asin(q / (1 + q)) / std::numbers::pi + 2 * q / (std::numbers::pi * (1 + q) * std::sqrt(1 + 2 * q));
  };
  double low = 0, high = 100;
  for (int i = 0; i < 100; ++i) (share((low + high) / 2) < 1 / std::sqrt(2.0) ? low : high) = (low + high) / 2;
  return low;
}

// a^2 + b^2 = 1 with slopes a and b on the two sides.
inline double scale_free(double x) { return x > 0 ? 0.8 * x : 0.6 * x; }

}  // namespace exercise
