#pragma once
// The exercises of the lab adaptive_alpha (docs/labs/adaptive_alpha.md). Replace each call of to_do() by your answer and run
//   make check LAB=adaptive_alpha EXERCISE=1
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. For X ~ N(0, 1), the alpha for which the mean slope of ELU is 1. (E[e^X; X < 0] = e^(1/2) Phi(-1).)
inline double unit_slope_alpha() {
  return to_do("E f' = 1/2 + alpha E[e^X; X < 0]; Phi(x) = erfc(-x / sqrt 2) / 2");
}

// 2, change one thing. The slope a of leaky ReLU (x for x > 0, a x below) that keeps gradients in the mean square when the weights have
// variance 1 / fan_in, for any distribution that is symmetric about 0.
inline double leaky_slope() {
  return to_do("E f'^2 = 1/2 + a^2 / 2");
}

// 3, implement. The alpha for which ELU of these numbers, of which some are negative and some positive, has the mean 0: no Gaussian.
inline double centring_alpha(const std::vector<double>& x) {
  (void)x;
  return to_do("the sum of the positive ones plus alpha times the sum of e^x - 1 over the negative ones is 0");
}

// 4, open. With alpha chosen for E f'^2 = 1 gradients keep their size, but the variance of the pre-activations falls from layer to layer
// (weights of variance 1 / fan_in). Give an alpha and a variance of the biases with which N(0, 1) keeps both.
struct Critical {
  double alpha, bias_variance;
};
inline Critical both_ways() {
  return to_do<Critical>("theory::adaptive_elu_alpha for the one, 1 - E f^2 for the other");
}

}  // namespace exercise
