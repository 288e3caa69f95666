#pragma once
// The exercises of the lab preactivation (docs/labs/preactivation.md). Replace each call of to_do() by your answer and
// run
//   make check LAB=preactivation EXERCISE=1
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The root mean square of the gradient that the identity path of `blocks` blocks y = relu(x + F) carries,
// when the sums are independent N(0, 1) and the gradient at the end is 1.
inline double relu_path(int blocks) {
  (void)blocks;
  return to_do("every sum lets the gradient through or not; take the mean of the squares, then the root");
}

// 2, derive. The mean of ln f'(S) for ELU with alpha = 1 and S ~ N(0, 1): the exponent by which a typical gradient, not
// the rms, falls.
inline double typical_elu_exponent() { return to_do("ln f' is 0 for positive sums and S itself for negative ones"); }

// 3, change one thing. The mean mu of sums N(mu, 1) at which the path through 50 ReLU blocks has an rms gain of 1/2.
inline double mean_that_halves() {
  return to_do("E relu'^2 = Phi(mu) = erfc(-mu / sqrt 2) / 2; solve Phi(mu)^25 = 1/2, by bisection say");
}

// 4, implement. The mean square of the same path with ReLU when branches, not sums, are N(0, 1): x starts as max(0, b),
// and x <- max(0, x + b). It is the chance that a random walk stays positive: u_k / 2 + u_(k+1) for k blocks, u_k =
// binomial(2k, k) / 4^k. Right for k = 10000, too.
inline double walk(int blocks) {
  (void)blocks;
  return to_do("u_k = u_(k-1) (k - 1/2) / k, u_0 = 1; binomials overflow");
}

// 5, implement. Blocks x <- x + A_i x on column vectors, A_i (n x n) row by row, i = 0, 1, ... in the order of running.
// The gradient at the first input from the gradient g at the last output.
inline std::vector<double> backward(const std::vector<std::vector<double>>& a, std::vector<double> g) {
  (void)a, (void)g;
  return to_do<std::vector<double>>("the last block first, and for columns the transposed matrix: g <- g + A^T g");
}

// 6, open. An alpha for which ELU's identity path keeps the mean square of gradients under sums N(0, 1), to six digits.
// (And what does it cost? See the lab adaptive_alpha.)
inline double keeping_alpha() { return to_do("E f'^2 = 1/2 + alpha^2 e^2 Phi(-2)"); }

}  // namespace exercise
