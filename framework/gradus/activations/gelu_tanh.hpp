#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 = x sigma(y), y = 2 sqrt(2 / pi) (x + 0.044715 x^3): the
/// approximation of GELU given with it (Hendrycks and Gimpel 2016). With s = sigma(y):
///   f'   = s + x s' y'
///   f''  = 2 s' y' + x (s'' y'^2 + s' y'')
///   f''' = 3 (s'' y'^2 + s' y'') + x (s''' y'^3 + 3 s'' y' y'' + s' y''')
/// where s'' = -s' tilt, s''' = s' (1 - 6 s') on the right; f' - 1/2 is odd, f'' even, f''' odd.
struct GELUTanh {
  static constexpr Info info{"gelu_tanh", "x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2", false, true};
  std::vector<double> kinks() const { return {}; }

  template <class V> V f(const V& x) const {
    const V t = magnitude(x);
    const auto power = exp_power(minus_y(t));
    const V r = V(1) / (V(1) + power.value());
    return select(x < V(0), -power.times(t * r), x * r);
  }
  template <class V> V df(const V& x) const {
    const V t = magnitude(x);
    const Logistic<V> s = logistic(t);
    const V left = s.e * s.r * fma(-t * s.r, dy(t), V(1));
    return select(x < V(0), left, V(1) - left);
  }
  template <class V> V d2f(const V& x) const {
    const V t = magnitude(x), y1 = dy(t), y2 = d2y(t);
    const Logistic<V> s = logistic(t);
    return s.slope() * fma(t, fma(-s.tilt() * y1, y1, y2), V(2) * y1);
  }
  template <class V> V d3f(const V& x) const {
    const V t = magnitude(x), y1 = dy(t), y2 = d2y(t);
    const Logistic<V> s = logistic(t);
    const V s1 = s.slope(), w = s.tilt();
    const V cubic = fma(V(1) - V(6) * s1, y1 * y1 * y1, fma(V(-3) * w, y1 * y2, V(6 * k * c)));
    const V right = s1 * fma(t, cubic, V(3) * fma(-w * y1, y1, y2));
    return select(x < V(0), -right, right);
  }

 private:
  static constexpr long double c = 0.044715L;
  static constexpr long double k = 1.59576912160573071175978424L;  // 2 sqrt(2 / pi)

  // At 32 already sigma(-y) = e^-2389 = 0.
  template <class V> static V magnitude(const V& x) { return min(V(32), abs(x)); }
  template <class V> static V dy(const V& t) { return fma(V(3 * k * c) * t, t, V(k)); }
  template <class V> static V d2y(const V& t) { return V(6 * k * c) * t; }
  template <class V> static Logistic<V> logistic(const V& t) { return Logistic<V>(exp_power(minus_y(t)).value()); }
  // -y for t >= 0, in two parts: y reaches a hundred where e^-y still counts, so a half last place of it would be fifty
  // of the result.
  template <class V> static TwoPart<V> minus_y(const V& t) {
    const V square = t * t;
    TwoPart<V> w = product(square, k * c);
    w.tail = fma(product_error(t, t, square), V(k * c), w.tail);
    // k + w by Knuth's two-sum, and what of k does not fit V.
    const V k_head = V(k), sum = k_head + w.head, back = sum - k_head;
    const V lost = (k_head - (sum - back)) + (w.head - back);
    const V tail = lost + (w.tail + V(k - static_cast<simd::Element<V>>(k)));
    const V head = t * sum;
    return {-head, -fma(t, tail, product_error(t, sum, head))};
  }
};

}  // namespace gradus::activations
