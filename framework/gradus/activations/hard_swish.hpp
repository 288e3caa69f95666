#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x min(max(x + 3, 0), 6) / 6. Howard et al., "Searching for MobileNetV3", ICCV 2019.
///   f' = 0 for x <= -3, 1 for x >= 3 (as in PyTorch since 2.7), x / 3 + 1/2 between.
struct HardSwish {
  static constexpr Info info{"hard_swish", "x min(max(x + 3, 0), 6) / 6", false, false};
  std::vector<double> kinks() const { return {-3, 3}; }

  template <class V> V f(const V& x) const {
    const V z = max(V(-3), x);
    return z * (min(V(6), z + V(3)) * V(1.0 / 6));
  }
  template <class V> V df(const V& x) const {
    return select(x <= V(-3), V(0), select(x >= V(3), V(1), fma(x, V(1.0 / 3), V(0.5))));
  }
  template <class V> V d2f(const V& x) const { return select(abs(x) < V(3), V(1.0 / 3), V(0)); }
  template <class V> V d3f(const V&) const { return V(0); }
};

}  // namespace gradus::activations
