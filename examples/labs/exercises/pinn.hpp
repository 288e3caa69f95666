#pragma once
// The exercises of the lab pinn (docs/labs/pinn.md). Replace each call of to_do() by your answer and run
//   make check LAB=pinn EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The mean squared residual of a ReLU network for -u'' = f on [0, 1], where the solution is sin(k pi x).
inline double relu_residual(int k) {
  (void)k;
  return to_do("a piecewise linear u has u'' = 0 almost everywhere, so the residual is f; what is the mean of f^2?");
}

// 2, change one thing. The same for -laplace u = f on the unit cube of so many dimensions, where the solution is the product of sin(pi x_i).
inline double relu_residual_in(int dimensions) {
  (void)dimensions;
  return to_do("each of the second derivatives gives pi^2 once more; the mean of sin^2 is 1/2 in each direction");
}

// The second derivatives of a displacement (u, v).
struct Second {
  double u_xx, u_xy, u_yy, v_xx, v_xy, v_yy;
};
struct Force {
  double x, y;
};
// 3, implement. The body force that holds a plane-strain body in equilibrium: div sigma + force = 0 with sigma = lambda trace(strain) I +
// 2 mu strain.
inline Force body_force(const Second& d, double lambda, double mu) {
  (void)d, (void)lambda, (void)mu;
  return to_do<Force>("Navier: div sigma = (lambda + mu) grad div (u, v) + mu laplace (u, v)");
}

// 4, open. An activation with a continuous slope whose second derivative jumps somewhere in [-3, 3] and is not 0 there, on both sides of
// the jump (so not ELU). It can learn from a strong residual, though it is not C^2.
inline double once_smooth(double x) {
  (void)x;
  return to_do("integrate a function with a jump twice");
}

}  // namespace exercise
