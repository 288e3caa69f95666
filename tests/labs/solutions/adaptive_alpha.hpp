#pragma once
#include <cmath>
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

#include <gradus/activations/registry.hpp>
#include <gradus/theory/elu_alpha.hpp>
#include <gradus/theory/moments.hpp>

namespace exercise {

inline double unit_slope_alpha() { return 0.5 / (std::exp(0.5) * 0.5 * std::erfc(1 / std::sqrt(2.0))); }

inline double leaky_slope() { return 1; }

inline double centring_alpha(const std::vector<double>& x) {
  double positive = 0, negative = 0;
  for (const double v : x) (v > 0 ? positive : negative) += v > 0 ? v : std::expm1(v);
  return -positive / negative;
}

struct Critical {
  double alpha, bias_variance;
};

inline Critical both_ways() {
  const double alpha = gradus::theory::adaptive_elu_alpha(gradus::theory::EluCondition::unit_squared_slope, 0, 1);
  const auto elu = gradus::activations::activation("elu(" + std::to_string(alpha) + ")");
  return {alpha, 1 - gradus::theory::gaussian_moments(elu).second};
}

}  // namespace exercise
