#pragma once
// The exercises of the lab robustness (docs/labs/robustness.md). Replace each call of to_do() by your answer and run
//   make check LAB=robustness EXERCISE=1
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The certified radius at x of the classifier whose two logits are a.x and b.x (lengths |a|, |b|, the angle between them in
// radians), where the margin is m > 0.
inline double linear_radius(double a, double b, double angle, double m) {
  (void)a, (void)b, (void)angle, (void)m;
  return to_do("the margin is (a - b).x; how long is a - b?");
}

// 2, change one thing. The alpha of ELU for which its Lipschitz constant is that of GELU.
inline double elu_as_steep_as_gelu() {
  return to_do("the slope of ELU is 1 on the right and alpha e^x on the left");
}

// 3, implement. The point of the ball of this radius around `center` that is nearest to `point`: what projected gradient descent does
// after each step.
inline std::vector<double> project(const std::vector<double>& point, const std::vector<double>& center, double radius) {
  (void)point, (void)center, (void)radius;
  return to_do<std::vector<double>>("a point inside stays; one outside moves along the line to the center");
}

// 4, open. A sum of at most four terms weight * GELU(slope * x + offset) plus a constant, whose product bound
// 1.1289 * |slopes| * |weights| (Euclidean lengths of the two lists) certifies at x = 0 at least 0.8 of the true distance to its zero.
struct Term {
  double weight, slope, offset;
};
struct Sum {
  std::vector<Term> terms;
  double constant;
};
inline Sum tight() {
  return to_do<Sum>("one unit is enough: where is GELU steepest, and how long does it stay nearly that steep?");
}

}  // namespace exercise
