#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x tanh(softplus(x)). Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.
/// With w = e^x, T = tanh(log(1 + w)) = w (w + 2) / D, D = w^2 + 2 w + 2, so one exponential and one division do:
///   T' = 4 w (1 + w) / D^2,   T'' = 4 w (2 + 2 w - 3 w^2 - 2 w^3) / D^3,   T''' = 4 w (4 - 32 w^2 - 24 w^3 + 5 w^4 + 4
///   w^5) / D^4, f = x T,   f' = T + x T',   f'' = 2 T' + x T'',   f''' = 3 T'' + x T'''.
/// On the right all is written in e = 1 / w = e^-x, D = 1 + 2 e + 2 e^2 then being the old one times e^2:
///   T = (1 + 2 e) / D,   T' = 4 e^2 (1 + e) / D^2,   T'' = -4 e^2 (2 + 3 e - 2 e^2 - 2 e^3) / D^3,
///   T''' = 4 e^2 (4 + 5 e - 24 e^2 - 32 e^3 + 4 e^5) / D^4.
struct Mish {
  static constexpr Info info{"mish", "x tanh(log(1 + exp(x)))", false, true};
  std::vector<double> kinks() const { return {}; }

  template <class V> V f(const V& x) const {
    const V z = max(V(-far), x);
    const auto power = exp_power(-abs(z));
    const Parts<V> p(x, power.value());
    const V ratio = z * p.numerator / p.denominator;
    return select(x < V(0), power.times(ratio), ratio);
  }
  template <class V> V df(const V& x) const {
    const V z = clamped(x);
    const Parts<V> p(x, exp(-abs(z)));
    const V inverse = V(1) / p.denominator;
    const V slope = V(4) * p.factor * (V(1) + p.e) * inverse * inverse;
    return fma(z, slope, p.numerator * select(x < V(0), p.e, V(1)) * inverse);
  }
  template <class V> V d2f(const V& x) const {
    const V z = clamped(x);
    const Parts<V> p(x, exp(-abs(z)));
    const V inverse = V(1) / p.denominator;
    return V(4) * p.factor * inverse * inverse * fma(z * inverse, p.second(x), V(2) * (V(1) + p.e));
  }
  template <class V> V d3f(const V& x) const {
    const V z = clamped(x);
    const Parts<V> p(x, exp(-abs(z)));
    const V inverse = V(1) / p.denominator;
    return V(4) * p.factor * inverse * inverse * inverse * fma(z * inverse, p.third(x), V(3) * p.second(x));
  }

 private:
  template <class V> static V clamped(const V& x) { return min(V(far), max(V(-far), x)); }

  // T = numerator (times w on the left) / denominator, from e = e^-|x|.
  template <class V> struct Parts {
    V e, numerator, denominator, factor;
    Parts(const V& x, const V& power) : e(power) {
      const V first = select(x < V(0), V(2), V(1)), last = V(3) - first;
      numerator = fma(last, e, first);
      denominator = fma(fma(last, e, V(2)), e, first);
      factor = select(x < V(0), e, e * e);
    }
    V second(const V& x) const {
      return select(x < V(0), polynomial(e, std::array{2.0f, 2.0f, -3.0f, -2.0f}),
                    polynomial(e, std::array{-2.0f, -3.0f, 2.0f, 2.0f}));
    }
    V third(const V& x) const {
      return select(x < V(0), polynomial(e, std::array{4.0f, 0.0f, -32.0f, -24.0f, 5.0f, 4.0f}),
                    polynomial(e, std::array{4.0f, 5.0f, -24.0f, -32.0f, 0.0f, 4.0f}));
    }
  };
};

}  // namespace gradus::activations
