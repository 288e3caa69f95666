#pragma once
// The alpha of ELU that meets a condition under a Gaussian, in closed form.

namespace gradus::theory {

/// What is to hold for X ~ N(mean, variance) before the activation f.
enum class EluCondition {
  zero_mean,           ///< E f(X) = 0: activations are centred, as with SELU
  unit_slope,          ///< E f'(X) = 1
  unit_squared_slope,  ///< E f'(X)^2 = 1: gradients keep their mean square on the way back
};

/// The alpha for which ELU meets the condition under N(mean, variance). With the deviation s, m = mean / s, the normal
/// density phi and distribution function Phi,
///   P(X > 0) = Phi(m),   E[X; X > 0] = mean Phi(m) + s phi(m),
///   T_k = E[e^(k X); X < 0] = e^(k mean + k^2 variance / 2) Phi(-m - k s)      (complete the square),
/// the three expectations are
///   E f    = E[X; X > 0] + alpha (T_1 - Phi(-m)),
///   E f'   = Phi(m) + alpha T_1,
///   E f'^2 = Phi(m) + alpha^2 T_2,
/// and so, since 1 - Phi(m) = Phi(-m), alpha is
///   zero_mean:           E[X; X > 0] / (Phi(-m) - T_1),
///   unit_slope:          Phi(-m) / T_1,
///   unit_squared_slope:  sqrt(Phi(-m) / T_2).
/// There is always exactly one positive solution, but it may be beyond all numbers: infinity then, or 0. For N(0, 1) it
/// is 1.6733 (SELU's alpha), 1.9115 and 1.7246. Throws unless mean and variance are finite, the variance positive.
double adaptive_elu_alpha(EluCondition condition, double mean, double variance);

}  // namespace gradus::theory
