#pragma once
// Self-normalising networks (Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017): the constants of
// SELU, the map of mean and variance through a layer, and AlphaDropout.
#include "gradus/activations/function.hpp"

namespace gradus::theory {

struct SeluConstants {
  long double alpha, scale;
};

/// The two numbers for which mean 0 and variance 1 are a fixed point, from their equation 14 in extended precision:
/// with c = erfc(1 / sqrt 2) sqrt e and d = erfc(sqrt 2) e^2,
///   alpha = sqrt(2 / pi) / (1 - c),   scale = (1 - c) sqrt(2 pi) / sqrt(2 d + pi c^2 - 2 (2 + pi) c + pi + 2).
/// alpha = 1.6732632423543772848, scale = 1.0507009873554804934 (1 + 1e-18 of either).
SeluConstants selu_constants();

/// The mean and variance of activations.
struct MomentState {
  double mean = 0;
  double variance = 1;
};

/// What a unit's incoming weights are: their sum and the sum of their squares.
struct WeightSums {
  double sum = 0;      ///< omega
  double squares = 1;  ///< tau
};

/// The mean and variance after one layer: of f(Z), Z ~ N(mean omega, variance tau), for many independent inputs. Throws
/// unless variance tau > 0.
MomentState moment_map(const activations::Function& f, const MomentState& state, const WeightSums& weights = {});

/// d(mean', variance') / d(mean, variance).
struct MomentJacobian {
  double mean_by_mean, mean_by_variance, variance_by_mean, variance_by_variance;
  double spectral_norm() const;  ///< below 1 the map draws neighbours together
};

/// Of moment_map. By the mean m and variance q of Z: dE h / dm = E h', dE h / dq = E[h' (Z - m)] / (2 q) for h = f and
/// f^2 (Stein), so only f' is needed and kinks are right. For SELU at (0, 1): [[0, 0.0888348], [0, 0.7826479]].
MomentJacobian moment_map_jacobian(const activations::Function& f, const MomentState& state,
                                   const WeightSums& weights = {});

struct AlphaDropoutAffine {
  double scale, shift;  ///< a, b
};

/// AlphaDropout sets a unit to -scale alpha (SELU's limit on the left) with chance p, then applies a x + b. With a =
/// (keep + v^2 keep p)^(-1/2), b = -a p v, v that limit, keep = 1 - p, mean 0 and variance 1 stay. Throws unless 0 <= p
/// < 1.
AlphaDropoutAffine alpha_dropout_affine(double p);

}  // namespace gradus::theory
