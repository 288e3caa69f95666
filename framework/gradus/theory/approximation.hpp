#pragma once
// Functions of one number by networks of one hidden layer: exact constructions and errors.
#include <vector>

namespace gradus::theory {

/// x -> sum of weights f(slopes x + offsets) + constant.
struct HiddenUnits {
  std::vector<double> slopes, offsets, weights;
  double constant = 0;
};

/// For relu: the function that is straight between the knots and has these heights there, continued straight on the
/// right and, beyond the first unit's kink at the first knot, constant on the left. One unit for each piece: unit i
/// bends at knot i by the change of slope, heights[0] is the constant. Throws unless there are at least two knots,
/// rising, as many heights, all finite.
HiddenUnits interpolating_units(const std::vector<double>& knots, const std::vector<double>& heights);

/// pieces + 1 knots from low to high at which a straight interpolant of e^(k x) errs about equally in all pieces: their
/// density is as the root of the second derivative (de Boor 1973), so that e^(k x / 2) is evenly spaced. Throws unless k != 0,
/// low < high, all finite, and pieces >= 1.
std::vector<double> exponential_knots(double k, double low, double high, int pieces);

/// The largest error of that interpolant of c e^(k x) for many pieces: h^2 |f''| / 8 in a piece of width h, hence (integral
/// of sqrt |f''|)^2 / (8 pieces^2) = |c| (e^(k high / 2) - e^(k low / 2))^2 / (2 pieces^2). Relative corrections are of order
/// 1 / pieces. Throws as exponential_knots.
double exponential_interpolation_error(double c, double k, double low, double high, int pieces);

}  // namespace gradus::theory
