#pragma once
// The exercises of the lab initialization (docs/labs/initialization.md). Replace each call of to_do() by your answer and run
//   make check LAB=initialization EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

struct Variances {
  double weight, bias;  // sigma_w^2 (times the fan-in) and sigma_b^2
};

// 1, derive. The sigma_w^2 that keeps the variance of pre-activations, whatever it is, behind leaky ReLU with this slope for x < 0.
inline double leaky_relu_variance(double slope) {
  (void)slope;
  return to_do("E f(X)^2 for X ~ N(0, q): half of the second moment comes from each side");
}

// 2, change one thing. How many layers under He's rule (sigma_w^2 = 2) take GELU's variance from 1 to below 1e-3?
inline int layers_until_dead() {
  return to_do<int>("theory::variance_trajectory(activations::activation(\"gelu\"), 1, layers, {2, 0}) gives the variance layer by layer");
}

// 3, implement. One step of a network of finite width: the variance of the next layer's pre-activations, given the n values
// f_of_z[0..n) that the activations of this layer have.
inline double next_variance(const double* f_of_z, int n, const Variances& layer) {
  (void)f_of_z, (void)n, (void)layer;
  return to_do("each next unit is a sum of n independent terms w_i f(z_i), plus a bias: what is the variance of that sum?");
}

// 4, open. Variances of weights and biases for SiLU that keep the variance 1 (to 1e-6) and make it a stable fixed point, with gradients
// that shrink by no more than 12 % a layer in the mean square: V(1) = 1, V'(1) < 1, chi_1 > 0.88.
inline Variances stable_silu() {
  return to_do<Variances>("theory::with_preserving_bias takes a sigma_w^2 and gives the bias; the limit is theory::stable_weight_variance_limit");
}

}  // namespace exercise
