#pragma once
// What a forward difference makes of an activation's slope.
#include "gradus/activations/function.hpp"

namespace gradus::theory {

struct DifferenceError {
  double error;    ///< (f(x + h) - f(x)) / h - f'(x)
  double leading;  ///< h f''(x) / 2: its first term for small h, right only without a kink between x and x + h
};

/// The error of the forward difference, without its cancellation: as the mean of f'(x + t) - f'(x) over 0 < t < h,
/// integrated from kink to kink. f' and f'' at a kink are the activation's own (for elu those of the left). Throws
/// unless h is positive, both are finite, and when f does not give f''.
DifferenceError forward_difference_error(const activations::Function& f, double x, double h);

}  // namespace gradus::theory
