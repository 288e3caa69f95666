#pragma once
#include <cmath>
#include <functional>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double noise_deviation(double sigma, double clipping_norm, double batch_size) { return sigma * clipping_norm / batch_size; }

inline double normalising_factor(double norm, double clipping_norm) { return norm > 0 ? clipping_norm / norm : 1; }

inline double renyi(double q, double s, int order) {
  double sum = 0, binomial = 1;
  for (int k = 0; k <= order; ++k) {
    sum += binomial * std::pow(1 - q, order - k) * std::pow(q, k) * std::exp(k * (k - 1) / (2 * s * s));
    binomial *= double(order - k) / (k + 1);
  }
  return std::log(sum) / (order - 1);
}

inline double enough_noise(const std::function<double(double)>& epsilon, double budget) {
  double low = 0, high = 1;
  while (epsilon(high) > budget) low = high, high *= 2;
  while (high - low > 0.005 * high) {
    const double middle = (low + high) / 2;
    (epsilon(middle) > budget ? low : high) = middle;
  }
  return high;
}

}  // namespace exercise
