#pragma once
#include <cmath>
#include <functional>
#include <numbers>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double jump(int order, double alpha) {
  if (order == 0) return 0;
  return (order == 1 ? 1 : 0) - alpha;
}

inline double saturates_below(int p) { return -(p + 1) * std::numbers::ln2; }

inline double inverse(double y, double alpha) { return y > 0 ? y : std::log1p(y / alpha); }

inline std::function<double(double)> onto() {
  return [](double x) { return x > 0 ? x : -std::log1p(-x); };
}

}  // namespace exercise
