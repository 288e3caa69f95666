#pragma once
#include <cmath>
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double dead_chance(double mu, double s, int n) { return std::pow(0.5 * std::erfc(mu / s / std::sqrt(2.0)), n); }

inline double half_dead() {
  double low = -4, high = 0;
  for (int i = 0; i < 100; ++i) (dead_chance(0.5 * (low + high), 1, 100) > 0.5 ? low : high) = 0.5 * (low + high);
  return low;
}

inline int dead_units(const std::vector<double>& z, int samples, int units) {
  int dead = 0;
  for (int u = 0; u < units; ++u) {
    bool active = false;
    for (int s = 0; s < samples; ++s) active = active || z[std::size_t(s * units + u)] > 0;
    dead += active ? 0 : 1;
  }
  return dead;
}

// x / (1 - x): slope 1 / (1 - x)^2, 1/441 at -20, is too flat there. A straight line down to -1 is not.
inline double never_dead(double x) { return x >= 0 ? x : x >= -20 ? x / 20 : -1; }

}  // namespace exercise
