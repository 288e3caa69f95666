#pragma once
#include <cmath>
#include <numbers>
#include <string>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double constant_share_of_relu() { return 1 / std::numbers::pi; }

inline double limit_of_shifted_softplus() { return 0.5; }

inline double partner(double x) {
  const auto gelu = [](double z) { return 0.5 * z * std::erfc(-z / std::sqrt(2.0)); };
  const double turn = -0.7517915246935645;
  // `low` keeps a value above that of x on the falling side, and one below it on the rising side.
  double low = x < turn ? turn : -40, high = x < turn ? 0 : turn;
  const bool rising = x < turn;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    ((gelu(middle) < gelu(x)) == rising ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// It rises strictly and bends away from x early.
inline std::string invertible_half() { return "softsign"; }

}  // namespace exercise
