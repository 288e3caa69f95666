#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// scale x for x > 0, scale alpha (e^x - 1) otherwise. Klambauer et al., "Self-normalizing neural networks", NeurIPS
/// 2017. With these two numbers mean 0 and variance 1 are a fixed point of a wide layer; in closed form (their equation
/// 14), writing c = erfc(1 / sqrt 2):
///   alpha = -sqrt(2 / pi) / (c sqrt(e) - 1)
///   scale = (1 - c sqrt(e)) sqrt(2 pi) / sqrt(2 erfc(sqrt 2) e^2 + pi c^2 e - 2 (2 + pi) c sqrt(e) + pi + 2)
/// The derivative at 0 is scale alpha.
struct SELU {
  static constexpr double alpha = 1.6732632423543772848;
  static constexpr double scale = 1.0507009873554804934;

  static constexpr Info info{"selu", "scale (x if x > 0 else alpha (exp(x) - 1))", true, false};
  std::vector<double> kinks() const { return {0}; }

  template <class V> V f(const V& x) const { return select(x > V(0), V(scale) * x, V(scale * alpha) * expm1(x)); }
  template <class V> V df(const V& x) const { return select(x > V(0), V(scale), V(scale * alpha) * exp(x)); }
  template <class V> V d2f(const V& x) const { return select(x > V(0), V(0), V(scale * alpha) * exp(x)); }
  template <class V> V d3f(const V& x) const { return d2f(x); }
};

}  // namespace gradus::activations
