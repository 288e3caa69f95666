#pragma once
// The exercises of the lab swiglu (docs/labs/swiglu.md). Replace each call of to_do() by your answer and run
//   make check LAB=swiglu EXERCISE=1
#include <cstdint>
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The forward gain of a gated network for small signals is c q. The number c for a Swish gate, x sigmoid(x).
inline double small_signal() { return to_do("silu(x) = x/2 + ...; the gain is E silu(X)^2, X ~ N(0, q)"); }

// 2, change one thing. The hidden width of a gated network with biases in all three matrices, for as many parameters as a plain network of
// `width` and `hidden` with biases; rounded down.
inline std::int64_t gated_width_with_biases(std::int64_t width, std::int64_t hidden) {
  (void)width, (void)hidden;
  return to_do<std::int64_t>("a plain network has 2 width hidden + hidden + width numbers; count a gated one's in the same way");
}

// 3, implement. The output of W3 (silu(W1 x) * W2 x) for one vector x; w1, w2: (hidden, width), w3: (width, hidden), row by row.
inline std::vector<double> swiglu(const std::vector<double>& x, const std::vector<double>& w1, const std::vector<double>& w2,
                                  const std::vector<double>& w3) {
  (void)x, (void)w1, (void)w2, (void)w3;
  return to_do<std::vector<double>>("two products with x, one of them through silu(z) = z / (1 + exp(-z)), multiplied, then W3");
}

// 4, open. The mean square q of the input at which a SwiGLU network with weights of variance 1 / fan_in keeps it: forward gain 1. Is that
// fixed point stable when such networks follow one another? Return q and 1 for stable, 0 for unstable.
struct FixedPoint {
  double q;
  int stable;
};
inline FixedPoint fixed_point() {
  return to_do<FixedPoint>("the gain E silu(X)^2 grows with q: what happens to a signal a little larger than the fixed one?");
}

}  // namespace exercise
