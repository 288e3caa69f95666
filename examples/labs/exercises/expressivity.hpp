#pragma once
// The exercises of the lab expressivity (docs/labs/expressivity.md). Replace each call of to_do() by your answer and run
//   make check LAB=expressivity EXERCISE=1
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

struct Unit {
  double weight, slope, offset;
};
// The sum of weight f(slope x + offset) over the units, plus a constant.
struct Net {
  std::vector<Unit> units;
  double constant = 0;
};

// 1, derive. |x| from two ReLU units, and x itself from two.
inline Net absolute_value() {
  return to_do<Net>("one unit for each side of 0");
}
inline Net identity() {
  return to_do<Net>("the same two units, with another sign");
}

// 2, change one thing. The sharpness k for which elu(k x) / k differs from relu(x) by 1/500 at most, no more than needed.
inline double sharpness() {
  return to_do("on the left ELU tends to -1");
}

// 3, implement. A staircase of ReLU units: 0 for x <= 0, rising by 1 over [i, i + width] for i = 0, ..., steps - 1, flat in between.
inline Net staircase(int steps, double width) {
  (void)steps, (void)width;
  return to_do<Net>("a step is the difference of two units of slope 1 / width, one at i and one at i + width");
}

// 4, open. At most eight ReLU units whose sum differs from x^2 on [-1, 1] by 1/100 at most.
inline Net parabola() {
  return to_do<Net>("straight pieces of width h err by h^2 / 4, on one side only; a constant halves that");
}

}  // namespace exercise
