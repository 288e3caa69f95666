#include "gradus/theory/double_backprop.hpp"

#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/theory/moments.hpp"

namespace gradus::theory {

DoubleBackprop double_backprop(const activations::Function& f, const DoubleBackpropOptions& options) {
  const double w = options.weight;
  if (w == 0 || !std::isfinite(w)) failf("double_backprop", "a weight of {}; it must be finite and not 0", w);
  if (!(options.target > 0) || !std::isfinite(options.target))
    failf("double_backprop", "a target of {}; it must be positive and finite", options.target);
  const GaussianOptions z{.mean = options.bias, .variance = w * w};
  const auto gradient = [&](double at) {
    const double slope = f(1, at), x = (at - options.bias) / w;
    return w * slope * slope + w * w * slope * f(2, at) * x;
  };
  const double mean = gaussian_expectation(gradient, z, f.traits().kinks);
  const auto square = [&](double at) { return gradient(at) * gradient(at); };
  const double rms = std::sqrt(gaussian_expectation(square, z, f.traits().kinks));
  return {mean, rms, options.target / std::abs(mean), options.target / rms};
}

}  // namespace gradus::theory
