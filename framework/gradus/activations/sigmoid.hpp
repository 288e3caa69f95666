#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// 1 / (1 + e^-x), the logistic function (Verhulst 1845). With e = e^-|x|, r = 1 / (1 + e):
///   f' = e r^2,   f'' = f' (1 - 2 f) = -sign(x) f' (1 - e) r,   f''' = f' (1 - 6 f').
struct Sigmoid {
  static constexpr Info info{"sigmoid", "1 / (1 + exp(-x))", true, true};
  std::vector<double> kinks() const { return {}; }

  template <class V> V f(const V& x) const { return sigmoid(x); }
  template <class V> V df(const V& x) const { return Logistic<V>(exp_of_negative(-abs(x))).slope(); }
  template <class V> V d2f(const V& x) const {
    const Logistic<V> s(exp_of_negative(-abs(x)));
    const V left = s.slope() * s.tilt();
    return select(x < V(0), left, -left);
  }
  template <class V> V d3f(const V& x) const {
    const V slope = df(x);
    return slope * fma(V(-6), slope, V(1));
  }
};

}  // namespace gradus::activations
