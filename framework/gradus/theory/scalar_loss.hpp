#pragma once
// The smallest loss landscape there is: L(w) = (f(w) - target)^2 / 2 over one weight.
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/theory/lipschitz.hpp"

namespace gradus::theory {

struct ScalarLoss {
  double value;      ///< (f - t)^2 / 2
  double slope;      ///< (f - t) f'
  double curvature;  ///< f'^2 + (f - t) f''; the first term is Gauss and Newton's, never negative
};

/// At w. Throws when f does not give f''.
ScalarLoss scalar_loss(const activations::Function& f, double target, double w);

/// The intervals in which the curvature is negative, within `search`, whose ends must be finite: sign changes on a scan
/// of 20000 points, refined by bisection to the last place.
std::vector<Interval> negative_curvature(const activations::Function& f, double target,
                                         const Interval& search = {-20, 20});

struct NewtonPath {
  std::vector<double> weights;  ///< from the start on
  bool converged;               ///< to a point where the slope vanishes, which may be a maximum
};

/// w <- w - L' / L'', until a step is below 1e-15 of w (converged), |w| is above 1e6, the curvature is 0, or 200 steps
/// are done.
NewtonPath newton_path(const activations::Function& f, double target, double start);

/// The w between low and high with f(w) = y, by bisection to the last place. Throws unless f - y changes its sign
/// between the two, which must be finite.
double inverse(const activations::Function& f, double y, const Interval& search = {-1e6, 1e6});

/// The density at y of f(X), X ~ N(mean, variance), for an f that rises strictly: p(x) / f'(x) at x = f^-1(y) (change
/// of variables), 0 outside the range of f. log|det| of the map at a point is log f'. Throws unless f never falls and
/// has no flat interval.
double pushforward_density(const activations::Function& f, double y, double mean = 0, double variance = 1);

}  // namespace gradus::theory
