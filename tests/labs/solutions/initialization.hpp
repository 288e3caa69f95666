#pragma once
#include "../../../examples/labs/frame/exercise.hpp"

#include <gradus/activations/registry.hpp>
#include <gradus/theory/mean_field.hpp>

namespace exercise {

struct Variances {
  double weight, bias;
};

inline double leaky_relu_variance(double slope) { return 2 / (1 + slope * slope); }

inline int layers_until_dead() {
  const auto variances = gradus::theory::variance_trajectory(gradus::activations::activation("gelu"), 1, 50, {2, 0});
  int layers = 0;
  while (variances[std::size_t(layers)] >= 1e-3) ++layers;
  return layers;
}

inline double next_variance(const double* f_of_z, int n, const Variances& layer) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += f_of_z[i] * f_of_z[i];
  return layer.weight * sum / n + layer.bias;
}

// Just below the limit, where chi_1 is largest.
inline Variances stable_silu() {
  const auto silu = gradus::activations::activation("silu");
  const auto found = gradus::theory::with_preserving_bias(silu, 0.99 * gradus::theory::stable_weight_variance_limit(silu));
  return {found.weight_variance, found.bias_variance};
}

}  // namespace exercise
