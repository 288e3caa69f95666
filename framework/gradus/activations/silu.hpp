#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x sigma(x), sigma(x) = 1 / (1 + e^-x); also called swish. Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units",
/// 2017; Ramachandran, Zoph and Le, "Searching for activation functions", 2017. With s = sigma(|x|), tilt = 2 s - 1:
///   f' = sigma + x sigma',   f'' = s' (2 - |x| tilt),   f''' = sign(x) s' (|x| (1 - 6 s') - 3 tilt).
struct SiLU {
  static constexpr Info info{"silu", "x / (1 + exp(-x))", false, true};
  std::vector<double> kinks() const { return {}; }

  template <class V> V f(const V& x) const {
    const V z = max(V(-far), x);
    const auto power = exp_power_of_negative(-abs(z));
    const V ratio = z / (V(1) + power.value());
    return select(x < V(0), power.times(ratio), ratio);
  }
  template <class V> V df(const V& x) const {
    const V t = min(V(far), abs(x));
    const Logistic<V> s(exp_of_negative(-t));
    const V left = s.e * s.r * fma(-t, s.r, V(1));  // f'(-|x|) = 1 - f'(|x|)
    return select(x < V(0), left, V(1) - left);
  }
  template <class V> V d2f(const V& x) const {
    const V t = min(V(far), abs(x));
    const Logistic<V> s(exp_of_negative(-t));
    return s.slope() * fma(-t, s.tilt(), V(2));
  }
  template <class V> V d3f(const V& x) const {
    const V t = min(V(far), abs(x));
    const Logistic<V> s(exp_of_negative(-t));
    const V right = s.slope() * fma(t, V(1) - V(6) * s.slope(), V(-3) * s.tilt());
    return select(x < V(0), -right, right);
  }
};

}  // namespace gradus::activations
