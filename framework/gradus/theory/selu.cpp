#include "gradus/theory/selu.hpp"

#include <cmath>
#include <numbers>

#include "gradus/core/format.hpp"
#include "gradus/theory/moments.hpp"

namespace gradus::theory {
namespace {

GaussianOptions pre_activation(const char* operation, const MomentState& state, const WeightSums& weights) {
  const GaussianOptions z{.mean = state.mean * weights.sum, .variance = state.variance * weights.squares};
  if (!(state.variance > 0) || !(weights.squares > 0) || !std::isfinite(z.variance) || !std::isfinite(z.mean))
    failf(operation, "variance {} and squares of weights {}; both must be positive, all finite", state.variance,
          weights.squares);
  return z;
}

}  // namespace

SeluConstants selu_constants() {
  using W = long double;
  const W pi = std::numbers::pi_v<W>, e = std::numbers::e_v<W>, root = std::sqrt(W(2));
  const W c = std::erfc(1 / root) * std::sqrt(e), d = std::erfc(root) * e * e;
  return {std::sqrt(2 / pi) / (1 - c),
          (1 - c) * std::sqrt(2 * pi) / std::sqrt(2 * d + pi * c * c - 2 * (2 + pi) * c + pi + 2)};
}

MomentState moment_map(const activations::Function& f, const MomentState& state, const WeightSums& weights) {
  const Moments m = gaussian_moments(f, pre_activation("moment_map", state, weights));
  return {m.mean, m.variance};
}

double MomentJacobian::spectral_norm() const {
  // The larger root of s^4 - (sum of squares) s^2 + det^2, as two moduli: s = (|x + iy| + |u + iv|) / 2.
  const double a = mean_by_mean, b = mean_by_variance, c = variance_by_mean, d = variance_by_variance;
  return 0.5 * (std::hypot(a + d, c - b) + std::hypot(a - d, c + b));
}

MomentJacobian moment_map_jacobian(const activations::Function& f, const MomentState& state,
                                   const WeightSums& weights) {
  const GaussianOptions z = pre_activation("moment_map_jacobian", state, weights);
  const auto expectation = [&](const auto& h) { return gaussian_expectation(h, z, f.traits().kinks); };
  const double mean = expectation([&](double x) { return f(x); });
  const double mean_by_m = expectation([&](double x) { return f(1, x); });
  const double mean_by_q = expectation([&](double x) { return f(1, x) * (x - z.mean); }) / (2 * z.variance);
  // Of Var f = E f^2 - mean^2, as E of 2 (f - mean) f'.
  const double variance_by_m = expectation([&](double x) { return 2 * (f(x) - mean) * f(1, x); });
  const double variance_by_q =
      expectation([&](double x) { return (f(x) - mean) * f(1, x) * (x - z.mean); }) / z.variance;
  return {weights.sum * mean_by_m, weights.squares * mean_by_q, weights.sum * variance_by_m,
          weights.squares * variance_by_q};
}

AlphaDropoutAffine alpha_dropout_affine(double p) {
  if (!(p >= 0 && p < 1)) failf("alpha_dropout_affine", "a chance of {}; it must be at least 0 and below 1", p);
  const SeluConstants selu = selu_constants();
  const double limit = -double(selu.alpha * selu.scale), keep = 1 - p;
  const double scale = 1 / std::sqrt(keep + limit * limit * keep * p);
  return {scale, -scale * p * limit};
}

}  // namespace gradus::theory
