#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x Phi(x), Phi the standard Gaussian's distribution function, phi its density. Hendrycks and Gimpel, "Gaussian error
/// linear units (GELUs)", 2016.
///   f' = Phi + x phi,   f'' = (2 - x^2) phi,   f''' = (x^3 - 4 x) phi.
/// With Q = 1 - Phi, f(x) = x - x Q(x) for x > 0 and f(-x) = -x Q(x); Q is computed by itself, so the negative tail
/// keeps its digits, which (1 + erf(x / sqrt 2)) / 2 loses to cancellation.
struct GELU {
  static constexpr Info info{"gelu", "x Phi(x)", false, true};
  std::vector<double> kinks() const { return {}; }

  template <class V> V f(const V& x) const {
    const auto g = gaussian_tail(x);
    const V missing = scale(g.x * g.upper, g.exponent);
    return select(x < V(0), -missing, x - missing);
  }
  template <class V> V df(const V& x) const {
    const auto g = gaussian_tail(x);
    const V left = scale(fma(-g.x, g.density, g.upper), g.exponent);  // f'(-|x|) = 1 - f'(|x|)
    return select(x < V(0), left, V(1) - left);
  }
  template <class V> V d2f(const V& x) const {
    const auto g = gaussian_tail(x);
    return scale(fma(-g.x, g.x, V(2)) * g.density, g.exponent);
  }
  template <class V> V d3f(const V& x) const {
    const auto g = gaussian_tail(x);
    const V right = scale(fma(g.x, g.x, V(-4)) * g.x * g.density, g.exponent);
    return select(x < V(0), -right, right);
  }
};

}  // namespace gradus::activations
