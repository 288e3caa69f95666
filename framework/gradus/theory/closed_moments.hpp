#pragma once
// Gaussian moments of activations in closed form, beside the quadrature of theory/moments.hpp, which is the reference
// for those that have none (SiLU, Mish, softplus, tanh, sigmoid, softsign, GELU's tanh form).
#include <optional>
#include <string_view>

#include "gradus/theory/moments.hpp"

namespace gradus::theory {

/// The moments of f under N(mean, variance) in closed form, for identity, relu, leaky_relu, prelu, elu, celu, selu,
/// gelu, hard_swish, softshrink and theory::Erf (any parameters); nothing for others. Write X for the variable, mu, q
/// for its mean and variance, s = sqrt q, t = mu / s, A_n = E[X^n; X > 0] and B_n = E[X^n; X < 0]
/// (theory/gaussian.hpp).
///
/// Slope a below 0 (relu, leaky_relu, prelu, identity):
///   E f = A_1 + a B_1,  E f^2 = A_2 + a^2 B_2,  E f' = Phi(t) + a Phi(-t),  E f'^2 = Phi(t) + a^2 Phi(-t).
///
/// Exponential below 0 (elu, celu, selu), f = l x above and l b (e^(k x) - 1) below: completing the square,
///   T_j = E[e^(j k X); X < 0] = e^(j k mu + j^2 k^2 q / 2) Phi(-t - j k s) = phi(t) mills_ratio(t + j k s),
///   E f = l (A_1 + b (T_1 - T_0)),     E f^2 = l^2 (A_2 + b^2 (T_2 - 2 T_1 + T_0)),
///   E f' = l (Phi(t) + b k T_1),       E f'^2 = l^2 (Phi(t) + b^2 k^2 T_2).
/// Where k X is small the differences cancel; there they are the series sum over n of k^n B_n / n! and (2^n - 2) of it.
///
/// GELU, with c = 1 + q, h = mu / sqrt c, a = mu / sqrt(c (1 + 2 q)), and T Owen's function, by Stein's identity
/// E[X h(X)] = mu E h + q E h':
///   E f    = mu Phi(h) + q phi(h) / sqrt c,
///   E f'   = Phi(h) + mu phi(h) / c^(3/2),
///   E Phi(X)^2 = Phi(h) - 2 T(h, 1 / sqrt(1 + 2 q)),
///   E f^2  = (mu^2 + q) E Phi^2 + 2 q phi(h) / sqrt c [mu (1 + 1 / c) Phi(a) + q phi(a) / sqrt(c (1 + 2 q))],
///   E f'^2 = E Phi^2 + 2 phi(h) / sqrt c [mu / c Phi(a) + q phi(a) / sqrt(c (1 + 2 q))]
///            + e^(-mu^2 / (1 + 2 q)) / (2 pi sqrt(1 + 2 q)) [mu^2 / (1 + 2 q)^2 + q / (1 + 2 q)].
/// For mu = 0: E f = q / sqrt(2 pi c), E f^2 = q/4 + q asin(q / c) / (2 pi) + q^2 / (pi c sqrt(1 + 2 q)).
///
/// Erf: E f = erf(mu / sqrt(1 + 2 q)), E f^2 = 1 - 8 T(sqrt 2 mu / sqrt(1 + 2 q), 1 / sqrt(1 + 4 q)), which for mu = 0
/// is 2/pi asin(2 q / (1 + 2 q)) (Williams 1997); the slope is a Gaussian.
///
/// hard_swish and softshrink are polynomials between their kinks: truncated moments.
///
/// `variance` is second - mean^2, and so has fewer digits than the others where it is small beside the second moment;
/// gaussian_moments has them all. Throws as gaussian_moments does.
std::optional<Moments> closed_gaussian_moments(const activations::Function& f, const GaussianOptions& options = {});
/// The same for an activation's name.
std::optional<Moments> closed_gaussian_moments(std::string_view activation, const GaussianOptions& options = {});

}  // namespace gradus::theory
