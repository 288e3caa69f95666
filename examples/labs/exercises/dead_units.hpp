#pragma once
// The exercises of the lab dead_units (docs/labs/dead_units.md). Replace each call of to_do() by your answer and run
//   make check LAB=dead_units EXERCISE=1
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The chance that a ReLU unit with pre-activations N(mu, s^2), independent from sample to sample, is active on none of n.
inline double dead_chance(double mu, double s, int n) {
  (void)mu, (void)s, (void)n;
  return to_do("one sample is inactive with chance Phi(-mu / s); Phi(x) = erfc(-x / sqrt 2) / 2");
}

// 2, change one thing. The mean mu of pre-activations N(mu, 1) at which half of the units are dead for n = 100 samples; to 3 digits.
inline double half_dead() {
  return to_do("Phi(-mu)^100 = 1/2; theory::normal_quantile, or bisect");
}

// 3, implement. How many units are dead: pre-activations z of `samples` rows of `units` numbers, row by row.
inline int dead_units(const std::vector<double>& z, int samples, int units) {
  (void)z, (void)samples, (void)units;
  return to_do<int>("a unit is dead when its column has no number above 0");
}

// 4, open. A function with f(x) = x for x >= 0 that is bounded below by -1, never falls, has a slope of at least 0.01 for every x >= -20, and is
// not above 0 for x < 0. (ELU's slope at -20 is 2e-9.)
inline double never_dead(double x) {
  (void)x;
  return to_do("the slope has to fall slowly enough to stay above 0.01, and in sum over 20 be at most 1");
}

}  // namespace exercise
