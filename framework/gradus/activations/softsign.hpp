#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x / (1 + |x|). Turian, Bergstra and Bengio, "Quadratic features and deep architectures for chunking", NAACL 2009.
///   f' = (1 + |x|)^-2,   f'' = -2 sign(x) (1 + |x|)^-3 (0 at 0, where it jumps),   f''' = 6 (1 + |x|)^-4.
struct Softsign {
  static constexpr Info info{"softsign", "x / (1 + |x|)", true, false};
  std::vector<double> kinks() const { return {0}; }

  template <class V> V f(const V& x) const {
    const V z = min(V(1e30), max(V(-1e30), x));  // here it is +-1, and the quotient still no infinity by infinity
    return z / (V(1) + abs(z));
  }
  template <class V> V df(const V& x) const {
    const V r = inverse(x);
    return r * r;
  }
  template <class V> V d2f(const V& x) const {
    const V r = inverse(x);
    return V(-2) * sign(x) * (r * r * r);
  }
  template <class V> V d3f(const V& x) const {
    const V r = inverse(x);
    return V(6) * (r * r) * (r * r);
  }

 private:
  template <class V> static V inverse(const V& x) { return V(1) / (V(1) + abs(x)); }
};

}  // namespace gradus::activations
