#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x - lambda for x > lambda, x + lambda for x < -lambda, 0 between: the proximal map of lambda |x| (soft thresholding;
/// Donoho 1995). The derivative at +-lambda is 0.
struct Softshrink {
  double lambda = 0.5;

  static constexpr Info info{"softshrink", "x - lambda if x > lambda, x + lambda if x < -lambda, else 0", true, false};
  static constexpr std::array parameters{Parameter<Softshrink>{"lambda", &Softshrink::lambda, Domain::not_negative}};
  std::vector<double> kinks() const { return {-lambda, lambda}; }

  template <class V> V f(const V& x) const {
    // 0 x, so that NaN stays NaN.
    return select(x > V(lambda), x - V(lambda), select(x < V(-lambda), x + V(lambda), V(0) * x));
  }
  template <class V> V df(const V& x) const { return select(abs(x) <= V(lambda), V(0), V(1)); }
  template <class V> V d2f(const V&) const { return V(0); }
  template <class V> V d3f(const V&) const { return V(0); }
};

}  // namespace gradus::activations
