#pragma once
// How steep an activation is, and how far two of them are apart: suprema with their places.
#include <limits>
#include <string_view>
#include <vector>

#include "gradus/activations/function.hpp"

namespace gradus::theory {

struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

struct Extreme {
  double value;
  double at;  ///< infinite when the value is only approached there; on the side of a kink where it is the limit
};

struct SlopeRange {
  Extreme lowest, highest;
};

/// inf and sup of f^(order) over an interval, as limits from inside at its ends and from both sides at kinks. Between
/// kinks it is scanned at 200 points or every 1/100 (beyond 32, every hundredth part of x), and each extreme refined to
/// the last place by bisecting the next derivative, or by golden sections where that is not given. Exact for the
/// built-in activations, whose derivatives turn a few times, on the scale of 1; one that turns twice between two points
/// of the scan is not seen. Throws when low > high, one is NaN, or f does not give that derivative.
SlopeRange derivative_range(const activations::Function& f, int order, const Interval& interval = {});

/// inf f' and sup f'.
SlopeRange slope_range(const activations::Function& f, const Interval& interval = {});

/// Where f' turns between its kinks (scanned as above over all reals), and its limits on both sides of every kink,
/// rising by place. Over any interval the extremes of f' are among these and the values at the ends, so many intervals
/// cost one scan. Turns by less than 1e-13, which are rounding, are left out.
std::vector<Extreme> slope_turns(const activations::Function& f);

/// sup |f'| over the interval: the Lipschitz constant of f there. 1.1289041451851547 for gelu, at sqrt 2.
Extreme lipschitz_constant(const activations::Function& f, const Interval& interval = {});
Extreme lipschitz_constant(std::string_view activation, const Interval& interval = {});

/// sup |f^(order) - g^(order)| over the interval, scanned in the same way. Throws as derivative_range.
Extreme max_difference(const activations::Function& f, const activations::Function& g, int order = 0,
                       const Interval& interval = {});

}  // namespace gradus::theory
