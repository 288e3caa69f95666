#pragma once
// The exercises of the lab self_normalizing (docs/labs/self_normalizing.md). Replace each call of to_do() by your answer and run
//   make check LAB=self_normalizing EXERCISE=1
#include <functional>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. By which factor do the squares of gradients grow, on average, over so many layers of SELU with weights of variance 1/n, at
// the fixed point? SELU is lambda x for x > 0 and lambda alpha (e^x - 1) else.
inline double squared_gradient(double lambda, double alpha, int layers) {
  (void)lambda, (void)alpha, (void)layers;
  return to_do("one layer multiplies them by E f'(Z)^2; E e^(2Z) over Z < 0 is e^2 Phi(-2), and Phi(-2) = erfc(sqrt 2) / 2");
}

// 2, change one thing. The lab's weights have variance 1 / n, for lambda = 1.0507. Which variance times n keeps the mean square 1 when SELU
// is replaced by ELU with alpha 1? `second_moment` is E ELU(Z)^2 for Z ~ N(0, 1).
inline double weights_for_elu(double second_moment) {
  (void)second_moment;
  return to_do("the sums of the next layer have variance n Var(w) E f(Z)^2");
}

// 3, implement. The affine part of AlphaDropout: a and b such that with v in place of a value with chance p, a x + b has mean 0 and
// variance 1 when x has.
struct Affine {
  double a, b;
};
inline Affine alpha_dropout(double v, double p) {
  (void)v, (void)p;
  return to_do<Affine>("the mean before it is p v, the variance (1 - p) + v^2 p (1 - p)");
}

// 4, open. The two constants for another fixed point: mean 0 and variance `variance`, kept by weights of variance 1 / n. `moments(lambda,
// alpha)` gives mean and mean square of f(sqrt(variance) Z) for these constants; find the pair, to six digits.
struct Moments {
  double mean, second;
};
struct Constants {
  double lambda, alpha;
};
inline Constants constants_for(double variance, const std::function<Moments(double lambda, double alpha)>& moments) {
  (void)variance, (void)moments;
  return to_do<Constants>(
      "the mean is lambda (p - alpha n): it vanishes for one alpha whatever lambda is; then lambda scales the mean square");
}

}  // namespace exercise
