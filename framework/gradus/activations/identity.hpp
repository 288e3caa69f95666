#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x: no activation at all, under a name.
struct Identity {
  static constexpr Info info{"identity", "x", true, true};
  std::vector<double> kinks() const { return {}; }

  template <class V> V f(const V& x) const { return x; }
  template <class V> V df(const V&) const { return V(1); }
  template <class V> V d2f(const V&) const { return V(0); }
  template <class V> V d3f(const V&) const { return V(0); }
};

}  // namespace gradus::activations
