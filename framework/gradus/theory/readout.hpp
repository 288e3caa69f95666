#pragma once
// What an activation throws away: the best accuracy of any decision, and the best guess of s, that sees f(s) and not s.
#include "gradus/activations/function.hpp"

namespace gradus::theory {

/// The label is 1 where s < threshold, s ~ N(0, 1); seen is f(s). Where f is one to one nothing is lost; an interval on
/// which f is constant gets one answer, the likelier: 1 - the sum over flat intervals of min(P(I, label 0), P(I, label
/// 1)). Throws unless f never falls (by its traits; else equal values far apart would have to be found) and threshold
/// is not NaN.
double threshold_accuracy(const activations::Function& f, double threshold);

/// The label is one of two, equally likely, and s ~ N(mean of the label, 1); seen is f(s). The integral of max(p_0,
/// p_1) / 2 outside flat intervals, and max(P_0(I), P_1(I)) / 2 in each. Throws unless f never falls and the means are
/// finite.
double two_class_accuracy(const activations::Function& f, double mean_0, double mean_1);

/// E Var(X | f(X)) / q for X ~ N(0, q): the share of the variance that no one who sees f(X) can get back. An interval on
/// which f is constant loses its own variance. For an f that falls to one minimum and rises again (gelu, silu, mish,
/// hard_swish) two inputs x < x' share a value, with the weights a = p(x) and b = p(x') |f'(x) / f'(x')|, and the integral
/// over x of a b / (a + b) (x - x')^2 is lost. 0 for strictly rising f; (1 - 2 / pi) / 2 for relu. Throws for an f that
/// turns more than once (within 40 deviations, at 4000 points), unless q > 0, and when f gives no derivative.
double lost_variance(const activations::Function& f, double q = 1);

}  // namespace gradus::theory
