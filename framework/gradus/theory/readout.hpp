#pragma once
// What an activation throws away: the best accuracy of any decision that sees f(s) and not s.
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

}  // namespace gradus::theory
