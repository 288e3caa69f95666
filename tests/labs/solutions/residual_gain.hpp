#pragma once
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double relu_gain(int blocks, double s1, double s2) { return std::pow(1 + s1 * s2 / 2, blocks); }

inline double second_variance() {
  const double m2 = 1.0 / 3 + 2 / (3 * std::numbers::sqrt3 * std::numbers::pi);
  return std::expm1(0.01) / m2;
}

inline double mean_squared_singular_value(const std::vector<double>& a, const std::vector<double>& b, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      double entry = i == j;
      for (int k = 0; k < n; ++k) entry += b[std::size_t(i * n + k)] * a[std::size_t(k * n + j)];
      sum += entry * entry;
    }
  return sum / n;
}

struct Scales {
  double identity, branch;
};
// The identity path then falls like c^blocks: a gradient that is kept on average reaches early blocks through the branches.
inline Scales steady() { return {.identity = std::sqrt(1 - 0.04 / 2), .branch = 0.2}; }

}  // namespace exercise
