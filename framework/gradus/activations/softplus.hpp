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
    const TwoPart<V> z = scaled(x);
    const V sum = max(V(0), z.head) + log1p_unit(power(z));
    return select(z.head > V(threshold), x, sum * V(1 / beta));
  }
  template <class V> V df(const V& x) const {
    const TwoPart<V> z = scaled(x);
    const V e = power(z);
    return select(z.head > V(threshold), V(1), select(z.head < V(0), e, V(1)) / (V(1) + e));
  }
  template <class V> V d2f(const V& x) const {
    const TwoPart<V> z = scaled(x);
    return select(z.head > V(threshold), V(0), V(beta) * Logistic<V>(power(z)).slope());
  }
  template <class V> V d3f(const V& x) const {
    const TwoPart<V> z = scaled(x);
    const Logistic<V> s(power(z));
    const V left = V(beta * beta) * s.slope() * s.tilt();
    return select(z.head > V(threshold), V(0), select(z.head < V(0), left, -left));
  }

 private:
  // beta x with what rounding loses, which the exponential would magnify.
  template <class V> TwoPart<V> scaled(const V& x) const { return product(max(V(-far / beta), x), beta); }
  // e^-|z|
  template <class V> static V power(const TwoPart<V>& z) {
    return value(exp_scaled(TwoPart<V>{-abs(z.head), select(z.head < V(0), z.tail, -z.tail)}));
  }
};

}  // namespace gradus::activations
