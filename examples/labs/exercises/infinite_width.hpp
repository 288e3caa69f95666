#pragma once
// The exercises of the lab infinite_width (docs/labs/infinite_width.md). Replace each call of to_do() by your answer and run
//   make check LAB=infinite_width EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. E GELU(u) GELU(v) for independent u, v ~ N(0, q): the kernel of orthogonal inputs of squared norm q.
inline double gelu_orthogonal(double q) {
  (void)q;
  return to_do("the expectation of a product of independent factors is a product; E GELU(u) is q E phi(u) by Stein's identity");
}

// 2, change one thing. The NTK of a network with one hidden layer of ReLU units whose first layer is not trained, for inputs of norm 1
// with x.x' = c.
inline double readout_ntk(double c) {
  (void)c;
  return to_do("the NTK is a sum over the layers that are trained; the last one's share is E f(u) f(v), here Cho and Saul's kernel");
}

// 3, implement. The NTK of ReLU with any number of hidden layers of width infinity (weights of variance 2 / fan-in after each
// activation, which keeps norms), for inputs of norm 1 with x.x' = c. With no hidden layer it is c.
inline double deep_relu_ntk(double c, int depth) {
  (void)c, (void)depth;
  return to_do("K <- 2 E f(u) f(v), NTK <- K + NTK 2 E f'(u) f'(v), where (u, v) have variance 1 and covariance K");
}

// 4, open. An activation that is not linear, and whose network of one hidden layer without biases learns the harmonic 3 of the circle at
// a rate above 0 (a_3 of its NTK is not 0). Neither ReLU nor GELU can: each is a line plus an even function.
inline double with_third_harmonic(double x) {
  (void)x;
  return to_do("the kernel's odd harmonics come from the odd part of f; what must that part not be?");
}

}  // namespace exercise
