#pragma once
// Units that learn nothing: where an activation's slope is 0, or small, and how likely pre-activations are to be there.
#include <cmath>
#include <limits>
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/core/shape.hpp"
#include "gradus/theory/lipschitz.hpp"
#include "gradus/theory/moments.hpp"

namespace gradus::theory {

/// The intervals between neighbouring kinks (or infinity) in which f' is 0 throughout: (-infinity, 0) for relu,
/// (-lambda, lambda) for softshrink, none for activations that only tend to a constant, whose slope is 0 in real
/// arithmetic nowhere but at single points. Told by nine points of each; throws when f gives no derivative.
std::vector<Interval> flat_intervals(const activations::Function& f);

/// P(f'(X) = 0) for X ~ N(mean, variance): the chance that one sample gives a unit no gradient. Phi(-mean / s) for
/// relu, 0 for elu, gelu, mish. Throws as gaussian_moments.
double dead_probability(const activations::Function& f, const GaussianOptions& options = {});

/// dead_probability^samples: the chance that a whole batch of independent samples gives no gradient, and the unit is
/// dead as far as they can tell. Throws also for samples < 1.
double dead_unit_probability(const activations::Function& f, Index samples, const GaussianOptions& options = {});

/// P(|f'(X)| < threshold): gradients that are merely small. Crossings are found by a scan of 8000 points over 40
/// deviations on each side, and bisection. Throws also unless threshold > 0.
double small_slope_probability(const activations::Function& f, double threshold, const GaussianOptions& options = {});

/// The x below which e^x, and with it the slope of elu, is 0 in this type: -745.13 in double, -103.97 in float (half
/// the smallest subnormal number rounds to 0).
template <class T>
double exp_vanishes_below() {
  return std::log(double(std::numeric_limits<T>::denorm_min())) - std::log(2.0);
}

/// The x below which e^x - 1 is -1 in this type, so that elu no longer has an inverse: -37.43 in double, -17.33 in
/// float (a quarter of the machine epsilon, half the distance from -1 to its neighbour towards 0).
template <class T>
double expm1_saturates_below() {
  return std::log(double(std::numeric_limits<T>::epsilon()) / 4);
}

}  // namespace gradus::theory
