#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// x for x > 0, alpha (e^(x / alpha) - 1) otherwise: an ELU whose slope at 0 is 1 for every alpha > 0. Barron,
/// "Continuously differentiable exponential linear units", 2017. The second derivative jumps at 0.
struct CELU {
  double alpha = 1;

  static constexpr Info info{"celu", "x if x > 0 else alpha (exp(x / alpha) - 1)", true, false};
  static constexpr std::array parameters{Parameter<CELU>{"alpha", &CELU::alpha, Domain::positive}};
  std::vector<double> kinks() const { return {0}; }

  template <class V> V f(const V& x) const {
    const TwoPart<V> z = quotient(x);
    const V power = expm1(z.head);
    return select(x > V(0), x, V(alpha) * fma(power + V(1), z.tail, power));
  }
  template <class V> V df(const V& x) const { return select(x > V(0), V(1), exponential(x)); }
  template <class V> V d2f(const V& x) const { return select(x > V(0), V(0), V(1 / alpha) * exponential(x)); }
  template <class V> V d3f(const V& x) const { return select(x > V(0), V(0), V(1 / (alpha * alpha)) * exponential(x)); }

 private:
  // x / alpha with what rounding loses, which the exponential would magnify.
  template <class V> TwoPart<V> quotient(const V& x) const { return product(max(V(-far * alpha), x), 1.0L / alpha); }
  template <class V> V exponential(const V& x) const { return exp_power(quotient(x)).value(); }
};

}  // namespace gradus::activations
