#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x for x > 0, slope x otherwise, as a function of x: the slope is learned, one for all or one per channel, by the
/// layer nn::PReLU. He et al., "Delving deep into rectifiers", ICCV 2015. The derivative at 0 is the slope.
struct PReLU {
  double slope = 0.25;

  static constexpr Info info{"prelu", "x if x > 0 else slope x", true, false};
  static constexpr std::array parameters{Parameter<PReLU>{"init", &PReLU::slope}};
  std::vector<double> kinks() const { return {0}; }

  template <class V> V f(const V& x) const { return fma(V(slope), min(V(0), x), max(V(0), x)); }
  template <class V> V df(const V& x) const { return select(x > V(0), V(1), V(slope)); }
  template <class V> V d2f(const V&) const { return V(0); }
  template <class V> V d3f(const V&) const { return V(0); }
};

}  // namespace gradus::activations
