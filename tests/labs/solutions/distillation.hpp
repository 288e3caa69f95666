#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline std::vector<double> kl_gradient(const std::vector<double>& q, const std::vector<double>& p, double temperature) {
  std::vector<double> gradient;
  for (std::size_t i = 0; i < q.size(); ++i) gradient.push_back((p[i] - q[i]) / temperature);
  return gradient;
}

inline std::vector<double> soft_targets(const std::vector<double>& logits, double temperature) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  double sum = 0;
  for (const double z : logits) p.push_back(std::exp((z - largest) / temperature)), sum += p.back();
  for (double& x : p) x /= sum;
  return p;
}

// The differences 1 and 0 have variance 1/4.
inline double limit_of_two() { return 1.0 / 8; }

struct Logits {
  std::vector<double> teacher, student;
};
// The two unlikely classes have less than 0.0001 each at T = 1, in whatever order.
inline Logits dark_knowledge() { return {.teacher = {20, 10, 2}, .student = {20, 2, 10}}; }

}  // namespace exercise
