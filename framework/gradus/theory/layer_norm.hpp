#pragma once
// What layer normalisation makes of independent random units.
#include "gradus/activations/function.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::theory {

struct LayerNormMoments {
  double mean;      ///< E LN_i
  double second;    ///< E LN_i^2
  double product;   ///< E LN_i LN_j for i != j
  double constant;  ///< the chance that all n units are equal, so that there is nothing to normalise and LN = 0
};

/// Of LN(f(Z_1), ..., f(Z_n)) = (x - mean(x)) / std(x) without epsilon and affine parameters, Z_i independent N(0, q).
/// Two identities and one symmetry give it, whatever f is:
///   sum_i LN_i = 0 and sum_i LN_i^2 = n, unless all units are equal;
///   the units may be exchanged without changing their law, so that all E LN_i are equal, all E LN_i^2 too, and all E
///   LN_i LN_j.
/// Hence E LN_i = 0, E LN_i^2 = 1 - c and, from (sum_i LN_i)^2 = 0, E LN_i LN_j = -(1 - c) / (n - 1), where c is the
/// chance that all are equal. It is 0 but for an f that is 0 on whole intervals: c = P(f(Z) = 0)^n, e.g. 2^-n for relu.
/// Throws unless n >= 2, and as gaussian_expectation.
LayerNormMoments layer_norm_moments(const activations::Function& f, Index n, double q = 1);

}  // namespace gradus::theory
