#pragma once
#include <cmath>
#include <numbers>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double elu_density(double y, double alpha) {
  if (y <= -alpha) return 0;
  const double x = y < 0 ? std::log1p(y / alpha) : y, slope = y < 0 ? y + alpha : 1;
  return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi) / slope;
}

// P(Z > -alpha).
inline double elu_mass(double alpha) { return std::erfc(-alpha / std::sqrt(2.0)) / 2; }

struct Moved {
  double y, log_slope;
};
inline Moved elu_coupling(double x, double r, double alpha) {
  const auto log_above = [&](double at) { return at < 0 ? at : std::log1p(at / alpha); };
  const auto log_slope = [&](double at) { return at < 0 ? 0 : -std::log(alpha + at); };
  const double w = log_above(x) + r, y = w < 0 ? w : alpha * std::expm1(w);
  return {y, log_slope(x) - log_slope(y)};
}

// ELU's slope at -2 is 0.135.
inline double leaky_elu(double x) {
  if (x >= 0) return x;
  return x >= -2 ? std::expm1(x) : std::expm1(-2.0) + 0.1 * (x + 2);
}

}  // namespace exercise
