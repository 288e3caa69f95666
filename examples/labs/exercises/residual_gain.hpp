#pragma once
// The exercises of the lab residual_gain (docs/labs/residual_gain.md). Replace each call of to_do() by your answer and run
//   make check LAB=residual_gain EXERCISE=1
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The mean squared singular value of `blocks` ReLU blocks x + W2 relu(W1 x) of infinite width, with variances s1 / n and s2 / h.
inline double relu_gain(int blocks, double s1, double s2) {
  (void)blocks, (void)s1, (void)s2;
  return to_do("E relu'^2 = 1/2 for every variance; the gains of blocks multiply");
}

// 2, change one thing. The sigma_2^2 with which 100 GELU blocks (sigma_1^2 = 1, q held at 1) amplify squared gradients by e in all.
inline double second_variance() { return to_do("(1 + m2 s)^100 = e; m2 = E GELU'^2 = 1/3 + 2/(3 sqrt 3 pi)"); }

// 3, implement. The mean squared singular value of the matrix of a linear block I + B A, all n x n, row by row.
inline double mean_squared_singular_value(const std::vector<double>& a, const std::vector<double>& b, int n) {
  (void)a, (void)b, (void)n;
  return to_do("no singular value is needed: the sum of their squares is the sum of the squares of the entries");
}

// 4, open. Scales c > 0 and d > 0 for the two terms of y = c x + d W2 relu(W1 x) (variances 1/n and 1/h) that keep the mean square of
// gradients exactly, with d >= 0.1. What happens to the identity path over many blocks?
struct Scales {
  double identity, branch;
};
inline Scales steady() { return to_do<Scales>("the gain is c^2 + d^2 m2, with m2 = 1/2"); }

}  // namespace exercise
