#pragma once
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double relu_path(int blocks) { return std::exp2(-0.5 * blocks); }

inline double typical_elu_exponent() { return -1 / std::sqrt(2 * std::numbers::pi); }

inline double mean_that_halves() {
  double low = 0, high = 10;
  for (int i = 0; i < 100; ++i) {
    const double mu = (low + high) / 2;
    (std::pow(0.5 * std::erfc(-mu / std::numbers::sqrt2), 25) < 0.5 ? low : high) = mu;
  }
  return low;
}

inline double walk(int blocks) {
  double u = 1;
  for (int k = 1; k <= blocks; ++k) u *= (k - 0.5) / k;
  // Without blocks nothing is lost; u_0 / 2 + u_1 is 1 as well.
  return u / 2 + u * (blocks + 0.5) / (blocks + 1);
}

inline std::vector<double> backward(const std::vector<std::vector<double>>& a, std::vector<double> g) {
  const std::size_t n = g.size();
  for (std::size_t i = a.size(); i-- > 0;) {
    std::vector<double> next = g;
    for (std::size_t row = 0; row < n; ++row)
      for (std::size_t column = 0; column < n; ++column) next[column] += a[i][row * n + column] * g[row];
    g = std::move(next);
  }
  return g;
}

inline double keeping_alpha() { return std::sqrt(0.5 / (std::exp(2) * 0.5 * std::erfc(std::numbers::sqrt2))); }

}  // namespace exercise
