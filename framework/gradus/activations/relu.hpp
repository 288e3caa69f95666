#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// max(x, 0). Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
/// relu'(0) = 0.
struct ReLU {
  static constexpr Info info{"relu", "max(x, 0)", true, false};
  std::vector<double> kinks() const { return {0}; }

  template <class V> V f(const V& x) const { return max(V(0), x); }
  template <class V> V df(const V& x) const { return select(x <= V(0), V(0), V(1)); }
  template <class V> V d2f(const V&) const { return V(0); }
  template <class V> V d3f(const V&) const { return V(0); }
};

}  // namespace gradus::activations
