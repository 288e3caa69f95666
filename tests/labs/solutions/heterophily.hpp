#pragma once
#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double relu_accuracy(double threshold, const std::function<double(double)>& phi) {
  if (threshold >= 0) return 1;
  return 1 - std::min(phi(threshold), phi(0) - phi(threshold));
}

struct Unit {
  double weight, bias;
};
// Positive exactly where s < threshold.
inline Unit lossless(double threshold) { return {-1, threshold}; }

inline std::vector<double> mean_of_neighbours(const std::vector<double>& features,
                                              const std::vector<std::pair<std::size_t, std::size_t>>& edges) {
  std::vector<double> sum(features.size()), count(features.size());
  for (const auto& [from, to] : edges) {
    sum[to] += features[from];
    ++count[to];
  }
  for (std::size_t i = 0; i < sum.size(); ++i)
    if (count[i] > 0) sum[i] /= count[i];
  return sum;
}

struct Term {
  double weight, readout;
};
inline std::vector<Term> identity_of_relus() { return {{1, 1}, {-1, -1}}; }

}  // namespace exercise
