#pragma once
// What every activation's file needs: the mathematics of core/simd_math.hpp by its plain names, and the few facts an
// activation tells of itself.
//
// An activation is a struct with its parameters as members and f, df, d2f, d3f as templates on V: the function and its
// first three derivatives. V is simd::Batch<float>, simd::Batch<double> or double. Mathematics only: no tensor, no
// tape.
//
// Rules kept by all of them:
// - float32 values are within 4 units of the last place of the formula evaluated in double, far tails included (GELU,
// on machines
//   without fused multiply-add: 4.1); below the smallest normal number the unit is the smallest subnormal. float64
//   values are within 4 of long double (tests/activations/accuracy.cpp).
// - The branch not taken does not poison: every value is finite where the limit is, at +-infinity too. NaN gives NaN in
// f.
// - At a kink the derivative is PyTorch's; second and third derivatives are those on either side, without the impulses
// in between.
#include <array>
#include <numbers>
#include <string_view>
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/core/simd_math.hpp"

namespace gradus::activations {

// Unqualified calls in the templates find these for plain numbers; for batches, argument-dependent lookup finds theirs.
using simd::abs, simd::copysign, simd::exp, simd::expm1, simd::exp_of_negative, simd::exp_power,
    simd::exp_power_of_negative, simd::fma, simd::gaussian_tail,
    simd::log1p_unit, simd::max, simd::min;
using simd::polynomial, simd::product, simd::product_error, simd::scale, simd::select, simd::sigmoid, simd::sign,
    simd::tanh, simd::tanh_completed;
using simd::TwoPart;

struct Info {
  std::string_view name;
  std::string_view formula;
  bool monotone;  ///< never falls, with the default parameters
  bool smooth;    ///< has derivatives of every order everywhere, with the default parameters
};

/// A parameter of the activation A, in PyTorch's order.
template <class A> struct Parameter {
  std::string_view name;
  double A::*member;
  Domain domain = Domain::any;
};

/// e = e^-|z| and r = 1 / (1 + e), from which the logistic function and its derivatives follow without cancellation in
/// either tail: sigma(z) = r or e r by the sign of z; sigma' = e r^2; |1 - 2 sigma| = (1 - e) r.
template <class V> struct Logistic {
  V e, r;
  explicit Logistic(const V& power) : e(power), r(V(1) / (V(1) + power)) {}
  V slope() const { return e * r * r; }
  V tilt() const { return (V(1) - e) * r; }
};

/// From this |x| on, e^-|x| is 0 in float and double alike, also times any polynomial in x met here.
inline constexpr double far = 1400;

}  // namespace gradus::activations
