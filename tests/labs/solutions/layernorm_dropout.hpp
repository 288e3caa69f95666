#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double correlation(std::int64_t n) { return -1.0 / double(n - 1); }

inline double relu_second_moment(std::int64_t n) { return 1 - std::pow(0.5, double(n)); }

inline std::vector<double> inverted_dropout(const std::vector<double>& x, const std::vector<int>& mask, double keep) {
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); ++i) y.push_back(mask[i] ? x[i] / keep : 0);
  return y;
}

struct TwoUnits {
  double m1, s1, m2, s2;
};
// The difference of the pre-activations is Gaussian: its sign is fair exactly when its mean is 0.
inline TwoUnits unlike_units() { return {.m1 = 1, .s1 = 1, .m2 = 1, .s2 = 2}; }

}  // namespace exercise
