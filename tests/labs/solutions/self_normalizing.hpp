#pragma once
#include <cmath>
#include <functional>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double squared_gradient(double lambda, double alpha, int layers) {
  const double one = lambda * lambda * (0.5 + alpha * alpha * std::exp(2.0) * std::erfc(std::sqrt(2.0)) / 2);
  return std::pow(one, layers);
}

inline double weights_for_elu(double second_moment) { return 1 / second_moment; }

struct Affine {
  double a, b;
};
inline Affine alpha_dropout(double v, double p) {
  const double a = 1 / std::sqrt((1 - p) * (1 + v * v * p));
  return {a, -a * p * v};
}

struct Moments {
  double mean, second;
};
struct Constants {
  double lambda, alpha;
};
inline Constants constants_for(double variance, const std::function<Moments(double lambda, double alpha)>& moments) {
  const double positive = moments(1, 0).mean, negative = positive - moments(1, 1).mean;
  const double alpha = positive / negative;
  return {std::sqrt(variance / moments(1, alpha).second), alpha};
}

}  // namespace exercise
