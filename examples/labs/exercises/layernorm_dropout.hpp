#pragma once
// The exercises of the lab layernorm_dropout (docs/labs/layernorm_dropout.md). Replace each call of to_do() by your answer and run
//   make check LAB=layernorm_dropout EXERCISE=1
#include <cstdint>
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The correlation of two outputs of a layer normalisation over n independent GELU units (no epsilon, no affine parameters).
inline double correlation(std::int64_t n) {
  (void)n;
  return to_do("the sum of all outputs is 0: square it and take the expectation; their squares have expectation 1");
}

// 2, change one thing. E LN_i^2 for n units of ReLU in place of GELU, with 0 for a layer that is constant.
inline double relu_second_moment(std::int64_t n) {
  (void)n;
  return to_do("the squares add up to n except where all units are equal; how often are n ReLU units all equal?");
}

// 3, implement. Inverted dropout's outputs of x for a mask of zeros and ones (1: kept) that keeps each with chance `keep`.
inline std::vector<double> inverted_dropout(const std::vector<double>& x, const std::vector<int>& mask, double keep) {
  (void)x, (void)mask, (void)keep;
  return to_do<std::vector<double>>("what must the kept ones be divided by so that the mean over masks is x?");
}

// 4, open. A law of two independent units that is symmetric for neither and unlike for both, and yet E LN_i = 0. Return the means (m1, m2)
// and deviations (s1, s2) of the Gaussian pre-activations of two softplus units, with s1 != s2 and m1 != 0.
struct TwoUnits {
  double m1, s1, m2, s2;
};
inline TwoUnits unlike_units() {
  return to_do<TwoUnits>(
      "LN of two units only says which one is larger, and softplus is monotone: when are both equally likely to be the larger one?");
}

}  // namespace exercise
