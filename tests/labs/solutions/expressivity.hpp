#pragma once
#include <vector>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

struct Unit {
  double weight, slope, offset;
};
struct Net {
  std::vector<Unit> units;
  double constant = 0;
};

inline Net absolute_value() { return {{{1, 1, 0}, {1, -1, 0}}}; }
inline Net identity() { return {{{1, 1, 0}, {-1, -1, 0}}}; }

inline double sharpness() { return 500; }

inline Net staircase(int steps, double width) {
  Net net;
  for (int i = 0; i < steps; ++i) {
    net.units.push_back({1 / width, 1, -double(i)});
    net.units.push_back({-1 / width, 1, -double(i) - width});
  }
  return net;
}

// Eight pieces of width 1/4 between the points of the parabola err by 1/64; lowered by half of that, by 1/128.
inline Net parabola() {
  Net net;
  net.constant = 1 - 1.0 / 128;
  double before = 0;
  for (int i = 0; i < 8; ++i) {
    const double left = -1 + 0.25 * i, slope = 2 * left + 0.25;
    net.units.push_back({slope - before, 1, -left});
    before = slope;
  }
  return net;
}

}  // namespace exercise
