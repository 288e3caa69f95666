#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double small_signal() { return 0.25; }

// 3 width h + 2 h + width <= 2 width hidden + hidden + width.
inline std::int64_t gated_width_with_biases(std::int64_t width, std::int64_t hidden) { return (2 * width + 1) * hidden / (3 * width + 2); }

inline std::vector<double> product(const std::vector<double>& w, const std::vector<double>& x) {
  std::vector<double> y(w.size() / x.size());
  for (std::size_t i = 0; i < y.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) y[i] += w[i * x.size() + j] * x[j];
  return y;
}

inline std::vector<double> swiglu(const std::vector<double>& x, const std::vector<double>& w1, const std::vector<double>& w2,
                                  const std::vector<double>& w3) {
  std::vector<double> hidden = product(w1, x);
  const std::vector<double> other = product(w2, x);
  for (std::size_t i = 0; i < hidden.size(); ++i) hidden[i] = hidden[i] / (1 + std::exp(-hidden[i])) * other[i];
  return product(w3, hidden);
}

struct FixedPoint {
  double q;
  int stable;
};
// E silu(X)^2 = 1, by the trapezoidal rule over 12 deviations, which is exact enough for a smooth integrand, and bisection.
inline FixedPoint fixed_point() {
  const auto gain = [](double q) {
    double sum = 0;
    const int points = 2400;
    for (int i = 0; i <= points; ++i) {
      const double z = -12 + 24.0 * i / points, x = std::sqrt(q) * z, silu = x / (1 + std::exp(-x));
      sum += silu * silu * std::exp(-z * z / 2) / std::sqrt(2 * 3.14159265358979324) * 24.0 / points;
    }
    return sum;
  };
  double low = 0.1, high = 100;
  for (int i = 0; i < 100; ++i) (gain((low + high) / 2) < 1 ? low : high) = (low + high) / 2;
  return {.q = low, .stable = 0};
}

}  // namespace exercise
