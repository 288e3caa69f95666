#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// tanh(x). LeCun et al., "Efficient backprop", 1998. With e = e^(-2 |x|), f' = 4 e / (1 + e)^2 keeps the digits that 1
/// - tanh^2 loses;
///   f'' = -2 f f',   f''' = f' (4 - 6 f').
struct Tanh {
  static constexpr Info info{"tanh", "tanh(x)", true, true};
  std::vector<double> kinks() const { return {}; }

  template <class V> V f(const V& x) const { return tanh(x); }
  template <class V> V df(const V& x) const { return V(4) * Logistic<V>(exp(V(-2) * abs(x))).slope(); }
  template <class V> V d2f(const V& x) const {
    const Logistic<V> l(exp(V(-2) * abs(x)));  // one power and one division for both factors
    return V(-8) * tanh_completed(x, fma(V(-2) * l.e, l.r, V(1))) * l.slope();
  }
  template <class V> V d3f(const V& x) const {
    const V slope = df(x);
    return slope * fma(V(-6), slope, V(4));
  }
};

}  // namespace gradus::activations
