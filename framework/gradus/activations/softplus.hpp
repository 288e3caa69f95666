#pragma once
#include "gradus/activations/activation.hpp"

namespace gradus::activations {

/// log(1 + e^(beta x)) / beta, and x itself where beta x > threshold. Dugas et al., "Incorporating second-order
/// functional knowledge for better option pricing", NeurIPS 2000; the threshold (with its jump of e^-threshold / beta)
/// is PyTorch's.
///   f' = sigma(beta x),   f'' = beta sigma',   f''' = beta^2 sigma''.
struct Softplus {
  double beta = 1;
  double threshold = 20;

  static constexpr Info info{"softplus", "log(1 + exp(beta x)) / beta, x where beta x > threshold", true, false};
  static constexpr std::array parameters{Parameter<Softplus>{"beta", &Softplus::beta, Domain::positive},
                                         Parameter<Softplus>{"threshold", &Softplus::threshold}};
  std::vector<double> kinks() const { return {threshold / beta}; }

  template <class V> V f(const V& x) const {
    const V z = V(beta) * x;
    return select(z > V(threshold), x, V(1 / beta) * (max(V(0), z) + log1p_unit(power(x))));
  }
  template <class V> V df(const V& x) const {
    const V e = power(x);
    return select(V(beta) * x > V(threshold), V(1), select(x < V(0), e, V(1)) / (V(1) + e));
  }
  template <class V> V d2f(const V& x) const {
    return select(V(beta) * x > V(threshold), V(0), V(beta) * Logistic<V>(power(x)).slope());
  }
  template <class V> V d3f(const V& x) const {
    const Logistic<V> s(power(x));
    const V left = V(beta * beta) * s.slope() * s.tilt();
    return select(V(beta) * x > V(threshold), V(0), select(x < V(0), left, -left));
  }

 private:
  // e^-|beta x|, from beta |x| with what rounding loses, which the exponential would magnify.
  template <class V> V power(const V& x) const {
    const TwoPart<V> z = product(min(V(far / beta), abs(x)), beta);
    return exp_power(TwoPart<V>{-z.head, -z.tail}).value();
  }
};

}  // namespace gradus::activations
