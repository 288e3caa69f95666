#pragma once
// The exercises of the lab normalizing_flow (docs/labs/normalizing_flow.md). Replace each call of to_do() by your
// answer and run
//   make check LAB=normalizing_flow EXERCISE=1
#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The density at y of ELU(Z) with this alpha, Z ~ N(0, 1).
inline double elu_density(double y, double alpha) {
  (void)y, (void)alpha;
  return to_do("phi(x) / f'(x) at x = f^-1(y); 0 where nothing is mapped to");
}

// 2, derive. The integral over all x of phi(f(x)) f'(x), f = ELU with this alpha: the mass of a 'flow' that takes data
// to the base by ELU.
inline double elu_mass(double alpha) {
  (void)alpha;
  return to_do("substitute z = f(x): which z are there?");
}

// 3, implement. y with ELU(y) + alpha = (ELU(x) + alpha) e^r, and log dy/dx.
struct Moved {
  double y, log_slope;
};
inline Moved elu_coupling(double x, double r, double alpha) {
  (void)x, (void)r, (void)alpha;
  return to_do<Moved>(
      "with L(x) = log((ELU(x) + alpha) / alpha) it is y = L^-1(L(x) + r); below 0, L(x) is x, which is right for x = "
      "-1000 too");
}

// 4, open. A strictly rising function that is ELU (alpha = 1) for x >= -2 and maps onto all numbers: slope at least
// 0.05 everywhere, continuous, with values below -20 for some x >= -1000.
inline double leaky_elu(double x) {
  (void)x;
  return to_do("go on with a straight line where ELU has become flat");
}

}  // namespace exercise
