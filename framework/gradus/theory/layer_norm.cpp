#include "gradus/theory/layer_norm.hpp"

#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/theory/moments.hpp"

namespace gradus::theory {

LayerNormMoments layer_norm_moments(const activations::Function& f, Index n, double q) {
  if (n < 2) failf("layer_norm_moments", "{} units; there must be at least 2", n);
  const auto is_zero = [&](double x) { return f(x) == 0 ? 1.0 : 0.0; };
  const double constant = std::pow(gaussian_expectation(is_zero, {.variance = q}, f.traits().kinks), double(n));
  return {.mean = 0, .second = 1 - constant, .product = -(1 - constant) / double(n - 1), .constant = constant};
}

}  // namespace gradus::theory
