#pragma once
// For source files only: this includes the SIMD mathematics of activations.
#include "gradus/activations/activation.hpp"

namespace gradus::theory {

/// erf(x) = 2 Phi(sqrt(2) x) - 1, the activation whose kernels were the first known in closed form (Williams 1997). Not
/// one of the registry, as networks are trained with its neighbour tanh: activations::make_function(theory::Erf{}).
struct Erf {
  static constexpr activations::Info info{"erf", "2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x", true,
                                          true};
  std::vector<double> kinks() const { return {}; }

  template <class V>
  V f(const V& x) const {
    using simd::erf;
    return erf(x);
  }
  template <class V>
  V df(const V& x) const {
    using namespace activations;
    const V t = min(V(40), abs(x));
    return V(1.1283791670955125739) * exp(-t * t);  // 2 / sqrt(pi)
  }
  template <class V>
  V d2f(const V& x) const {
    return V(-2) * x * df(x);
  }
  template <class V>
  V d3f(const V& x) const {
    return (V(4) * x * x - V(2)) * df(x);
  }
};

}  // namespace gradus::theory
