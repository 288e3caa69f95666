#pragma once
#include <functional>
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double relu_mean_gradient(double w, double bias, const std::function<double(double)>& phi) { return w * phi(bias / w); }

inline double penalty_gradient(double w, double x, double d1, double d2) { return w * d1 * d1 + w * w * d1 * d2 * x; }

inline double penalty_by_differences(const std::function<double(const std::vector<double>&)>& loss, const std::vector<double>& x,
                                     double h) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::vector<double> up = x, down = x;
    up[i] += h, down[i] -= h;
    const double slope = (loss(up) - loss(down)) / (2 * h);
    sum += slope * slope;
  }
  return sum / 2;
}

inline double break_even(const std::function<double(const char* name, double bias)>& lambda) {
  double low = 0, high = 1;
  while (high - low > 1e-8) {
    const double middle = (low + high) / 2;
    (lambda("elu", middle) < lambda("relu", middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace exercise
