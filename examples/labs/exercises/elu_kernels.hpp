#pragma once
// The exercises of the lab elu_kernels (docs/labs/elu_kernels.md). Replace each call of to_do() by your answer and run
//   make check LAB=elu_kernels EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. E ELU(X) for X ~ N(0, q), in closed form.
inline double elu_mean(double q) {
  (void)q;
  return to_do("half of the mass is linear; for the rest complete the square in e^x e^(-x^2 / (2 q))");
}

// 2, change one thing. The NNGP kernel of ELU for orthogonal inputs of norm 1, where the first layer also has a bias of variance b: the
// pre-activations have variance 1 + b and covariance b. For b = 0 it is exercise 1 squared; give its first two terms in b.
inline double orthogonal_with_small_bias(double b) {
  (void)b;
  return to_do("K(q, c) with q = 1 + b, c = b: dK/dc = E f'(u) f'(v), and at c = 0 it is (E f')^2; how does (E f)^2 change with q?");
}

// 3, implement. Where two inputs end, layer after layer: a fixed point of C(c) in [0, 1) with a slope below 1, when C is given with C(1) =
// 1, C'(1) > 1.
template <class Map>
double end_of_correlation(Map map) {
  (void)map;
  return to_do("C lies above the diagonal at 0 and below it just left of 1: bisect; iterating C works as well, slowly");
}

// 4, open. An alpha > 0 for which two inputs to a deep network of ELU(alpha) units (weights that keep the variance at 1) end with a
// correlation below 0.1.
inline double forgetful_alpha() { return to_do("C(0) = (E f)^2 / E f^2; which alpha makes it small?"); }

}  // namespace exercise
