#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x for x > 0, alpha (e^x - 1) otherwise. Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network
/// learning by exponential linear units (ELUs)", ICLR 2016. The derivative at 0 is alpha; the second derivative jumps
/// there.
struct ELU {
  double alpha = 1;

  static constexpr Info info{"elu", "x if x > 0 else alpha (exp(x) - 1)", true, false};
  static constexpr std::array parameters{Parameter<ELU>{"alpha", &ELU::alpha}};
  std::vector<double> kinks() const { return {0}; }

  template <class V> V f(const V& x) const { return select(x > V(0), x, V(alpha) * expm1(x)); }
  template <class V> V df(const V& x) const { return select(x > V(0), V(1), V(alpha) * exp(x)); }
  template <class V> V d2f(const V& x) const { return select(x > V(0), V(0), V(alpha) * exp(x)); }
  template <class V> V d3f(const V& x) const { return d2f(x); }
};

}  // namespace gradus::activations
