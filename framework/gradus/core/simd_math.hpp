#pragma once
// The elementary functions for batches of float and double, without branches (sin, cos and pow have one, for rare
// arguments), right at +-0, subnormals, infinities and NaN. The overloads for plain numbers are the standard library's.
//
// Bounds of the error in units of the last place, over all arguments (sin, cos: up to trigonometric_limit; beyond it
// they are the standard library's), with and without fused multiply-add; tests/core/simd_math.cpp holds them against
// floats of every exponent and random doubles:
//
//              exp   expm1  log   log1p  sin   cos   tanh  sigmoid  erf   erfc  erfcx  log1p_exp
//     float    1     1.5    1     1.5    2.5   2.5   1.5   2.5      1.6   4     4      2.5
//     double   1     2      1     1      2     2     1.5   2.5      2     5     5      2.5
//
// How the coefficients were found. Each table is the polynomial of its degree whose largest weighted error on its
// interval is smallest, by Remez's exchange algorithm in quadruple precision; then its coefficients are rounded to T
// one by one from the lowest, the remaining ones being fitted anew after each rounding (where the interval holds 0
// inside: rounded at once). The error after rounding stands beside the table; it is relative to the whole function, so
// 2^-25 is a quarter of float's last place at most.
#include <array>
#include <numbers>

#include "gradus/core/simd.hpp"

namespace gradus::simd {

// ---------------------------------------------------------------------------------------------------------------------
// Plain numbers.

template <std::floating_point T> inline T rint(T x) { return std::nearbyint(x); }
template <std::floating_point T> inline T sign(T x) { return x > 0 ? T(1) : x < 0 ? T(-1) : x; }
template <std::floating_point T> inline T rsqrt(T x) { return T(1) / std::sqrt(x); }
template <std::floating_point T> inline T exp(T x) { return std::exp(x); }
template <std::floating_point T> inline T expm1(T x) { return std::expm1(x); }
template <std::floating_point T> inline T log(T x) { return std::log(x); }
template <std::floating_point T> inline T log1p(T x) { return std::log1p(x); }
template <std::floating_point T> inline T log1p_unit(T x) { return std::log1p(x); }
template <std::floating_point T> inline T pow(T x, T y) { return std::pow(x, y); }
template <std::floating_point T> inline T sin(T x) { return std::sin(x); }
template <std::floating_point T> inline T cos(T x) { return std::cos(x); }
template <std::floating_point T> inline T tanh(T x) { return std::tanh(x); }
template <std::floating_point T> inline T erf(T x) { return std::erf(x); }
template <std::floating_point T> inline T erfc(T x) { return std::erfc(x); }

// ---------------------------------------------------------------------------------------------------------------------
// Tables.

namespace tables {

template <class T> struct Constants;

template <> struct Constants<float> {
  static constexpr int mantissa_bits = 23;
  /// 1.5 2^23: adding it leaves a number rounded to an integer, in the low bits of the sum.
  static constexpr float round_shift = 0x1.8p23f;
  /// e^x is 0 below and infinite above, also times any 2^-20 to 2^20.
  static constexpr float exp_low = -150, exp_high = 130;
  /// expm1(x) is -1 to the last bit below; e^x is infinite at the upper one, yet 2^(n - 1) is not.
  static constexpr float expm1_low = -30, expm1_high = 88.9f;
  /// ln 2 = its first 10 bits + the rest: a product of the first with an exponent is exact.
  static constexpr float ln2_head = 0x1.628p-1f, ln2_tail = 0x1.90bfbep-11f;
  /// pi/2 in pieces of 11 bits and a last one of 24; products with integers below 2^13 are exact.
  static constexpr std::array half_pi = {0x1.92p+0f, 0x1.fb4p-12f, 0x1.444p-24f, 0x1.68cp-39f, 0x1.1a6264p-54f};
  static constexpr float trigonometric_limit = 12867;  // 2^13 pi/2

  /// (e^r - 1 - r) / r^2 on |r| <= ln(2)/2. 2^-28.7 of e^r - 1.
  static constexpr std::array exp = {0.5f,           0.166666657f,   0.0416663624f,
                                     0.00833338406f, 0.00139405311f, 0.000198495603f};
  /// (2 atanh(s) / s - 2) / s^2 in s^2, on |s| <= (sqrt2 - 1) / (sqrt2 + 1). 2^-35.2 of 2 atanh(s).
  static constexpr std::array log = {0.666666627f, 0.400009722f, 0.284987926f, 0.242788568f};
  /// (2 atanh(d / 2) - d) / d^3 in d^2, on |d| <= 2/3. 2^-27.7.
  static constexpr std::array log_wide = {0.0833330229f, 0.0125067001f, 0.00218772958f, 0.000547018892f};
  /// (sin(r) / r - 1) / r^2 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2, on |r| <= pi/4. 2^-32.5 and 2^-37.0.
  static constexpr std::array sin = {-0.166666672f, 0.0083333794f, -0.000198530644f, 2.83251006e-06f};
  static constexpr std::array cos = {0.0416666679f, -0.001388898f, 2.48220204e-05f, -2.88808877e-07f};
  /// (tanh(x) / x - 1) / x^2 in x^2, on |x| <= 0.625. 2^-27.7.
  static constexpr std::array tanh = {-0.333332807f, 0.133314058f, -0.0537365153f, 0.0206281673f, -0.00569229666f};
  /// erf(x) / x - 1 in x^2, on |x| <= 0.75. 2^-29.2.
  static constexpr std::array erf = {0.128379166f,   -0.3761262f,    0.11283379f,
                                     -0.0268343352f, 0.00511315698f, -0.000673758332f};
  /// (t + K) e^(t^2) erfc(t) in u = (t - K) / (t + K), for all t >= 0. 2^-25.6.
  static constexpr float erfcx_k = 2;
  static constexpr std::array erfcx = {1.02158272f,      -0.687160611f,   0.279471427f,   -0.036443796f,
                                       -0.0215026867f,   0.00648881309f,  0.0030560263f,  -0.000864190399f,
                                       -0.000595418853f, 7.45897269e-05f, 8.27187832e-05f};
  /// (t + K) e^(t^2/2) Q(t) in u = (t - K) / (t + K), Q the Gaussian's upper tail, for t from 0.799 to 15. 2^-25.0.
  static constexpr float gauss_k = 4;
  static constexpr float gauss_far = 15;  // Q(15) = 4e-51
  static constexpr std::array gauss = {0.755285144f,    -0.607896507f,   0.387137175f,  -0.186527029f, 0.0604011007f,
                                       -0.00749075226f, -0.00350571284f, 0.0014518362f, 0.00017616195f};
  /// (1/2 - Q(x)) / x in x^2, on |x| <= 0.8. 2^-28.2 of Q.
  static constexpr std::array gauss_centre = {0.398942262f, -0.0664899051f, 0.00996995158f, -0.00117578276f,
                                              9.87163221e-05f};
};

template <> struct Constants<double> {
  static constexpr int mantissa_bits = 52;
  static constexpr double round_shift = 0x1.8p52;
  static constexpr double exp_low = -1400, exp_high = 1000;
  static constexpr double expm1_low = -60, expm1_high = 709.9;
  /// ln 2 = its first 33 bits + the rest.
  static constexpr double ln2_head = 0x1.62e42fefp-1, ln2_tail = 0x1.473de6af278edp-34;
  /// pi/2 in pieces of 33 bits and a last one of 53; products with integers below 2^20 are exact.
  static constexpr std::array half_pi = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2ep-69, 0x1.b839a252049c1p-104};
  static constexpr double trigonometric_limit = 1647099;  // 2^20 pi/2

  /// 2^-59.6
  static constexpr std::array exp = {0.5,
                                     0.16666666666666677,
                                     0.041666666666666526,
                                     0.0083333333333217921,
                                     0.0013888888888955186,
                                     0.00019841269885768315,
                                     2.4801587187021525e-05,
                                     2.7557244527776672e-06,
                                     2.755738972449475e-07,
                                     2.5108938497353785e-08,
                                     2.0879534820414716e-09};
  /// 2^-66.6
  static constexpr std::array log = {0.66666666666666663, 0.40000000000004926, 0.28571428569409718,
                                     0.22222222607256317, 0.18181778327925421, 0.15386990189769559,
                                     0.13252115709773885, 0.13235085666430338};
  /// 2^-64.5
  static constexpr std::array log_wide = {0.083333333333333343,   0.012499999999998556,   0.0022321428572136697,
                                          0.0004340277761107897,  8.8778431456940728e-05, 1.8779861679777577e-05,
                                          4.0700181212230356e-06, 8.9398956391816696e-07, 2.0907105937087203e-07,
                                          3.3546180213125969e-08, 1.9553897430787508e-08};
  /// 2^-63.2 and 2^-69.0
  static constexpr std::array sin = {-0.16666666666666666,   0.0083333333333330418,   -0.00019841269840962473,
                                     2.755731907398523e-06,  -2.5052070923661421e-08, 1.6054311695625495e-10,
                                     -7.3894713456601486e-13};
  static constexpr std::array cos = {0.041666666666666664,    -0.0013888888888888389, 2.4801587301180814e-05,
                                     -2.7557319060679132e-07, 2.0876722008290297e-09, -1.1466861803922802e-11,
                                     4.5926906343212322e-14};
  /// 2^-61.2
  static constexpr std::array tanh = {-0.33333333333333315,   0.13333333333329961,     -0.053968253966149446,
                                      0.021869488470699021,   -0.0088632343387485529,  0.0035921142223598254,
                                      -0.0014557272092058612, 0.00058945661604622719,  -0.00023702398107301541,
                                      9.1578298877572454e-05, -3.0205864864582402e-05, 6.0501494551173372e-06};
  /// 2^-56.3
  static constexpr std::array erf = {0.12837916709551259,     -0.37612638903184276,    0.11283791670991647,
                                     -0.02686617065509507,    0.0052239777650643074,   -0.00085483384502150648,
                                     0.00012055916478703328,  -1.4944796541792814e-05, 1.686579904365679e-06,
                                     -2.1649756325235839e-07, 5.3832041818126854e-08,  -1.357588184746691e-08};
  /// 2^-53.1
  static constexpr double erfcx_k = 3;
  static constexpr std::array erfcx = {
      1.0740069070883398,      -0.88339445316988363,    0.59022835710410426,     -0.31046726190057283,
      0.11952776128717209,     -0.026827234624328768,   -0.0012124166249886444,  0.0030340619994577377,
      -0.00054830971291461945, -0.00027677783710663685, 0.00010756160440470793,  3.0398147126392567e-05,
      -1.7470982257705258e-05, -4.7492817193638259e-06, 2.7663710496362952e-06,  9.992569938336338e-07,
      -4.0953614451629945e-07, -2.3435098865459195e-07, 4.7741464441945706e-08,  5.1534960952535148e-08,
      -2.1171613824664339e-09, -8.8360861183948473e-09, -5.3919841973127534e-10, 8.3602517643185519e-10,
      9.0008601729355721e-11};
  /// For t from 0.799 to 39. 2^-53.8.
  static constexpr double gauss_k = 4;
  static constexpr double gauss_far = 40;  // Q(40) = 4e-350
  static constexpr std::array gauss = {
      0.75528513041575152,    -0.60789664197189297,    0.38713740074220893,     -0.18652185795954718,
      0.060396574891235691,   -0.0075401889710102711,  -0.0034796923729484811,  0.0016308185336099158,
      0.0001333443537134381,  -0.00023109566856644259, -1.9083056985755366e-06, 3.5148857942459625e-05,
      7.1552837396708809e-07, -5.934580682710863e-06,  -6.2209726742614437e-07, 1.0513231183700856e-06,
      2.4998268609225393e-07, -1.8913557551225072e-07, -5.4131687503966387e-08, 3.0963120379452175e-08};
  /// 2^-58.5
  static constexpr std::array gauss_centre = {0.3989422804014327,     -0.066490380066907509,   0.0099735570100872549,
                                              -0.0011873282160704073, 0.00011543469128989801,  -9.4446695950261169e-06,
                                              6.6599789425087479e-07, -4.1260587828204198e-08, 2.2905667243816114e-09,
                                              -1.0977036241890247e-10};
};

}  // namespace tables

// ---------------------------------------------------------------------------------------------------------------------
// Building blocks.

/// c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule.
template <class V, class T, std::size_t N> inline V polynomial(const V& x, const std::array<T, N>& c) {
  V sum = V(c[N - 1]);
  for (std::size_t i = N - 1; i-- > 0;) sum = fma(sum, x, V(c[i]));
  return sum;
}

/// What the rounded product p = a * b has lost: a * b - p, exactly (where it is no subnormal).
template <class V> inline V product_error(const V& a, const V& b, const V& p) {
  if constexpr (fused) {
    return fma(a, b, -p);
  } else {
    // Dekker (1971): split each factor into halves whose products are exact (Veltkamp's splitting).
    constexpr Element<V> splitter = sizeof(Element<V>) == 4 ? 0x1p12 + 1 : 0x1p27 + 1;
    const V ca = V(splitter) * a, cb = V(splitter) * b;
    const V a_head = ca - (ca - a), b_head = cb - (cb - b);
    const V a_tail = a - a_head, b_tail = b - b_head;
    return ((a_head * b_head - p) + a_head * b_tail + a_tail * b_head) + a_tail * b_tail;
  }
}

/// A number in two parts: head is the number rounded, tail what the rounding has lost.
template <class V> struct TwoPart { V head, tail; };

/// x * c, where c may have more digits than V.
template <class V> inline TwoPart<V> product(const V& x, long double c) {
  const auto c_head = static_cast<Element<V>>(c), c_tail = static_cast<Element<V>>(c - c_head);
  const V head = x * V(c_head);
  return {head, fma(x, V(c_tail), product_error(x, V(c_head), head))};
}

/// 2^n for whole n from -126 to 127 (float), -1022 to 1023 (double).
template <class T> inline Batch<T> power_of_two(const Batch<T>& n) {
  using C = tables::Constants<T>;
  using Integers = typename Batch<T>::NativeInteger;
  const Integers one(std::bit_cast<typename Batch<T>::Integer>(T(1)));
  return from_bits<T>(shift_up<T, C::mantissa_bits>(bits(n + Batch<T>(C::round_shift))) + one);
}

/// x * 2^n, rounded once, for whole |n| up to twice the exponent range and x neither huge nor tiny.
template <class T> inline Batch<T> scale(const Batch<T>& x, const Batch<T>& n) {
#if defined(__AVX512F__)
  if constexpr (Batch<T>::wide) return Batch<T>(typename Batch<T>::Native(avx512::scale(x.native(), n.native())));
#endif
  const Batch<T> shift(tables::Constants<T>::round_shift);
  const Batch<T> half = fma(n, Batch<T>(T(0.5)), shift) - shift;
  return x * power_of_two(half) * power_of_two(n - half);
}
template <std::floating_point T> inline T scale(T x, T n) { return n == 0 ? x : std::ldexp(x, static_cast<int>(n)); }

/// A power e^x as (1 + excess) 2^exponent, the exponent a whole number and |excess| < 1/2: holds what one number cannot
/// until the last factor is known, and rounds once less, f (1 + excess) being f + f excess.
template <class V> struct Power {
  V excess, exponent;
  V value() const { return scale(V(1) + excess, exponent); }
  /// factor (1 + excess); the exponent is left to the caller.
  V mantissa_times(const V& factor) const { return fma(factor, excess, factor); }
  /// This power times 1 + small.
  Power raised(const V& small) const { return {fma(excess, small, small) + excess, exponent}; }
  /// factor e^x, right also where e^x alone is subnormal or 0.
  V times(const V& factor) const { return scale(mantissa_times(factor), exponent); }
};
template <std::floating_point T> struct Power<T> {
  T power, exponent = 0;
  T value() const { return power; }
  T mantissa_times(T factor) const { return factor * power; }
  Power raised(T small) const { return {power + power * small}; }
  T times(T factor) const { return factor * power; }
};

/// x = n ln 2 + r with whole n and |r| <= ln(2) / 2 (a little more by rounding), for x between exp_low and exp_high.
template <class T> struct Reduced { Batch<T> n, r; };
template <class T> inline Reduced<T> reduce_exp(const Batch<T>& x) {
  using C = tables::Constants<T>;
  using V = Batch<T>;
  const V n = fma(x, V(std::numbers::log2e_v<T>), V(C::round_shift)) - V(C::round_shift);
  return {n, fma(n, V(-C::ln2_tail), fma(n, V(-C::ln2_head), x))};
}
/// e^r - 1 for the rest r.
template <class T> inline Batch<T> expm1_reduced(const Batch<T>& r) {
  return fma(r * r, polynomial(r, tables::Constants<T>::exp), r);
}

template <class T> inline Batch<T> exp_clamped(const Batch<T>& x) {
  using C = tables::Constants<T>;
  return min(Batch<T>(C::exp_high), max(Batch<T>(C::exp_low), x));
}

/// e^x, its exponent apart.
template <class T> inline Power<Batch<T>> exp_power(const Batch<T>& x) {
  const auto [n, r] = reduce_exp(exp_clamped(x));
  return {expm1_reduced(r), n};
}
/// The same for x <= 0, of which one end alone needs care: a twentieth of a logistic function's time.
template <class T> inline Power<Batch<T>> exp_power_of_negative(const Batch<T>& x) {
  const auto [n, r] = reduce_exp(max(Batch<T>(tables::Constants<T>::exp_low), x));
  return {expm1_reduced(r), n};
}
/// e^(head + tail): the error of a large head would be an error of as many last places in the power.
/// The first for a head between exp_low and exp_high, the second for all.
template <class T> inline Power<Batch<T>> exp_power_within(const TwoPart<Batch<T>>& x) {
  const auto [n, r] = reduce_exp(x.head);
  return {expm1_reduced(r + x.tail), n};
}
template <class T> inline Power<Batch<T>> exp_power(const TwoPart<Batch<T>>& x) {
  return exp_power_within(TwoPart<Batch<T>>{exp_clamped(x.head), x.tail});
}
template <std::floating_point T> inline Power<T> exp_power(T x) { return {std::exp(x)}; }
template <std::floating_point T> inline Power<T> exp_power_of_negative(T x) { return {std::exp(x)}; }
template <std::floating_point T> inline Power<T> exp_power_within(const TwoPart<T>& x) {
  const T power = std::exp(x.head);
  return {power == 0 ? power : power + power * x.tail};
}
template <std::floating_point T> inline Power<T> exp_power(const TwoPart<T>& x) { return exp_power_within(x); }

/// f applied number by number: for rare arguments.
template <class T, class F> inline Batch<T> each(const Batch<T>& x, F f) {
  alignas(Batch<T>::alignment) T all[Batch<T>::size];
  x.store_aligned(all);
  for (T& number : all) number = f(number);
  return Batch<T>::load_aligned(all);
}

// ---------------------------------------------------------------------------------------------------------------------
// Rounding, sign, roots.

/// To the nearest whole number, halves to the even one.
template <class T> inline Batch<T> rint(const Batch<T>& x) {
  const Batch<T> magnitude = abs(x), shift(T(1) / std::numeric_limits<T>::epsilon());  // from here on all are whole
  return select(magnitude < shift, copysign((magnitude + shift) - shift, x), x);
}
/// -1, 0 or 1; NaN of NaN.
template <class T> inline Batch<T> sign(const Batch<T>& x) {
  return select(x > Batch<T>(0), Batch<T>(1), select(x < Batch<T>(0), Batch<T>(-1), x));
}
/// 1 / sqrt(x), of full accuracy.
template <class T> inline Batch<T> rsqrt(const Batch<T>& x) { return Batch<T>(1) / sqrt(x); }

// ---------------------------------------------------------------------------------------------------------------------
// Exponentials and logarithms.

template <class T> inline Batch<T> exp(const Batch<T>& x) { return exp_power(x).value(); }

/// e^x for x <= 0, the same bits.
template <class V> inline V exp_of_negative(const V& x) { return exp_power_of_negative(x).value(); }

/// e^x - 1, of full relative accuracy near 0.
template <class T> inline Batch<T> expm1(const Batch<T>& x) {
  using C = tables::Constants<T>;
  using V = Batch<T>;
  const auto [n, r] = reduce_exp(min(V(C::expm1_high), max(V(C::expm1_low), x)));
  // 2^n (1 + e) - 1 = 2 (2^(n-1) e + (2^(n-1) - 1/2)), where the bracket is exact; halved because 2^n may be out of
  // range.
  const V e = expm1_reduced(r), half = power_of_two(n - V(1));
  const V general = V(2) * fma(half, e, half - V(0.5));
  return copysign(select(n == V(0), e, general), x);
}

/// log((1 + f) 2^k) for whole k and sqrt(1/2) <= 1 + f <= sqrt(2): with s = f / (2 + f), log(1 + f) = 2 atanh(s) = 2 s
/// + s^3 L(s^2), written as f - (f^2/2 - s (f^2/2 + s^2 L)) so that the leading term is exact (fdlibm's form).
template <class T> inline Batch<T> log_reduced(const Batch<T>& f, const Batch<T>& k) {
  using C = tables::Constants<T>;
  using V = Batch<T>;
  const V s = f / (V(2) + f), z = s * s, half_square = V(0.5) * f * f;
  const V rest = s * (half_square + z * polynomial(z, C::log));
  return fma(k, V(C::ln2_head), f - (half_square - fma(k, V(C::ln2_tail), rest)));
}

/// x = (1 + f) 2^k, as log_reduced wants them, for positive normal finite x.
template <class T> struct Decomposed { Batch<T> f, k; };
template <class T> inline Decomposed<T> decompose(const Batch<T>& x) {
  using C = tables::Constants<T>;
  using V = Batch<T>;
  using Integer = typename V::Integer;
  using Integers = typename V::NativeInteger;
  constexpr Integer one = std::bit_cast<Integer>(T(1)), root = std::bit_cast<Integer>(std::numbers::sqrt2_v<T> / 2);
  constexpr T big = T(Integer(1) << C::mantissa_bits);  // or-ing a small whole number to its bits adds it
  const Integers shifted = bits(x) + Integers(one - root);
  const Integers exponent = shift_down<T, C::mantissa_bits>(shifted);
  const Integers mantissa = (shifted & Integers((Integer(1) << C::mantissa_bits) - 1)) + Integers(root);
  const V biased = from_bits<T>(exponent | Integers(std::bit_cast<Integer>(big))) - V(big);
  return {from_bits<T>(mantissa) - V(1), biased - V(std::numeric_limits<T>::max_exponent - 1)};
}

template <class T> inline Batch<T> log(const Batch<T>& x) {
  using V = Batch<T>;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  constexpr int up = std::numeric_limits<T>::digits;
  const auto tiny = x < V(std::numeric_limits<T>::min());
  const auto [f, k] = decompose(select(tiny, x * V(T(std::uint64_t(1) << up)), x));
  const V regular = log_reduced(f, select(tiny, k - V(up), k));
  const V special = select(x == V(0), V(-infinity), select(x < V(0), V(std::numeric_limits<T>::quiet_NaN()), x));
  return select(x > V(0) && x < V(infinity), regular, special);
}

/// log(1 + x), of full relative accuracy near 0.
template <class T> inline Batch<T> log1p(const Batch<T>& x) {
  using V = Batch<T>;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const V u = V(1) + x, back = u - V(1);
  const V lost = (V(1) - (u - back)) + (x - back);  // 1 + x = u + lost exactly (Knuth's two-sum)
  const auto [m, k] = decompose(u);
  // Beyond 2^60 what was lost is below the last place, and 2^-k may not exist.
  const V f = fma(lost, power_of_two(-min(V(60), k)), m);
  const V regular = copysign(log_reduced(f, k), x);
  const V special = select(x == V(-1), V(-infinity), select(x < V(-1), V(std::numeric_limits<T>::quiet_NaN()), x));
  return select(x > V(-1) && x < V(infinity), regular, special);
}

/// log(1 + x) for 0 <= x <= 1 (and NaN), the half of log1p that softplus needs: 2 atanh(d / 2) with d = 2 x / (2 + x)
/// <= 2/3.
template <class T> inline Batch<T> log1p_unit(const Batch<T>& x) {
  using V = Batch<T>;
  const V d = (x + x) / (V(2) + x), square = d * d;
  return fma(d * square, polynomial(square, tables::Constants<T>::log_wide), d);
}

/// log(1 + e^x), without overflow and with relative accuracy as x falls.
template <class V> inline V log1p_exp(const V& x) { return max(V(0), x) + log1p_unit(exp(-abs(x))); }

/// log(e^a + e^b). Of two equal infinities, that infinity.
template <class T> inline Batch<T> logaddexp(const Batch<T>& a, const Batch<T>& b) {
  using V = Batch<T>;
  const V difference = abs(a - b);
  const V sum = max(a, b) + log1p_unit(exp(-difference));
  return select(a == b, a + V(std::numbers::ln2_v<T>), sum);
}

/// x^y, number by number, as the standard library has it.
template <class T> inline Batch<T> pow(const Batch<T>& x, const Batch<T>& y) {
  alignas(Batch<T>::alignment) T exponents[Batch<T>::size];
  y.store_aligned(exponents);
  const T* next = exponents;
  return each(x, [&](T number) { return std::pow(number, *next++); });
}

// ---------------------------------------------------------------------------------------------------------------------
// Circular and hyperbolic functions.

/// sin(x + quarter pi/2), |x| up to Constants::trigonometric_limit: x = n pi/2 + r by Cody and Waite, n mod 4 chooses
/// among +-sin(r), +-cos(r).
template <class T> inline Batch<T> sin_reduced(const Batch<T>& x, int quarter) {
  using C = tables::Constants<T>;
  using V = Batch<T>;
  using Integer = typename V::Integer;
  using Integers = typename V::NativeInteger;
  const V shifted = fma(x, V(2 * std::numbers::inv_pi_v<T>), V(C::round_shift)), n = shifted - V(C::round_shift);
  V r = x;
  for (const T piece : C::half_pi) r = fma(n, V(-piece), r);
  const V z = r * r;
  const V sine = fma(r * z, polynomial(z, C::sin), r);
  const V half = V(0.5) * z, one = V(1) - half;
  const V cosine = one + fma(z * z, polynomial(z, C::cos), (V(1) - one) - half);  // what `one` has lost, added back
  const Integers quadrant = bits(shifted) + Integers(static_cast<Integer>(quarter));
  constexpr Integer one_bits = std::bit_cast<Integer>(T(1));
  const V odd = from_bits<T>((quadrant & Integers(Integer(1))) | Integers(one_bits));  // 1, or the next number after it
  const V flip =
      from_bits<T>(shift_up<T, std::numeric_limits<Integer>::digits - 2>(quadrant & Integers(Integer(2))));  // 0 or -0
  const V result = select(odd == V(1), sine, cosine);
  return from_bits<T>(bits(result) ^ bits(flip));
}

template <class T> inline Batch<T> sin(const Batch<T>& x) {
  if (any(abs(x) > Batch<T>(tables::Constants<T>::trigonometric_limit))) [[unlikely]]
    return each(x, [](T number) { return std::sin(number); });
  return select(x == Batch<T>(0), x, sin_reduced(x, 0));
}
template <class T> inline Batch<T> cos(const Batch<T>& x) {
  if (any(abs(x) > Batch<T>(tables::Constants<T>::trigonometric_limit))) [[unlikely]]
    return each(x, [](T number) { return std::cos(number); });
  return sin_reduced(x, 1);
}

/// tanh(x), given |tanh(x)| as it is good enough from |x| = 0.625 on.
template <class T> inline Batch<T> tanh_completed(const Batch<T>& x, const Batch<T>& far) {
  using V = Batch<T>;
  const V z = x * x;
  const V near = fma(x * z, polynomial(z, tables::Constants<T>::tanh), x);
  return copysign(select(abs(x) < V(0.625), near, far), x);
}
template <std::floating_point T> inline T tanh_completed(T x, T /*far*/) { return std::tanh(x); }

template <class T> inline Batch<T> tanh(const Batch<T>& x) {
  using V = Batch<T>;
  return tanh_completed(x, V(1) - V(2) / (exp(V(2) * abs(x)) + V(1)));
}

/// 1 / (1 + e^-x), with relative accuracy as x falls.
template <class V> inline V sigmoid(const V& x) {
  const V e = exp_of_negative(-abs(x));
  return select(x < V(0), e, V(1)) / (V(1) + e);
}

// ---------------------------------------------------------------------------------------------------------------------
// The error function and the Gaussian's tail.

/// 1 / (t + k) for t >= 0, and as a factor what rounding (of the sum, of the quotient) has lost: the true one is value
/// (1 + lost).
template <class V> struct Quotient { V value, lost; };
template <class V> inline Quotient<V> exact_quotient(const V& t, Element<V> k) {
  const V sum = t + V(k), sum_lost = min(t, V(k)) - (sum - max(t, V(k)));  // Dekker's fast two-sum
  const V value = V(1) / sum;
  V rest;  // 1 - value sum, which is exact
  if constexpr (fused) {
    rest = fma(-value, sum, V(1));
  } else {
    const V back = value * sum;
    rest = (V(1) - back) - product_error(value, sum, back);
  }
  return {value, fma(-value, sum_lost, rest)};
}

/// (polynomial in u = (t - K) / (t + K) = 1 - 2 K q) times q, where q (1 + lost) = 1 / (t + K): the form of the two
/// functions below (after Shepherd and Laframboise 1981, with a denominator so that one division serves both). An error
/// of q would come back up to 2.3 times larger, hence its lost part. The result still wants the factor 1 + lost.
template <class V, class T, std::size_t N>
inline V rational(const Quotient<V>& q, T k, const std::array<T, N>& coefficients) {
  const V u = fma(V(-2 * k) * q.value, q.lost, fma(V(-2 * k), q.value, V(1)));
  return q.value * polynomial(u, coefficients);
}

/// erfcx(t) = e^(t^2) erfc(t) for t >= 0, wanting a factor 1 + lost.
template <class V> inline Quotient<V> erfcx_positive(const V& t) {
  using C = tables::Constants<Element<V>>;
  Quotient<V> q = exact_quotient(t, C::erfcx_k);
  q.lost = select(t < V(1e6), q.lost, V(0));  // splitting a huge t would overflow
  return {rational(q, C::erfcx_k, C::erfcx), q.lost};
}

/// e^-(x^2), the rounding of the square undone.
template <class V> inline Power<V> exp_minus_square(const V& x) {
  const V square = x * x;
  return exp_power(TwoPart<V>{-square, -product_error(x, x, square)});
}

/// erfc(|x|).
template <class T> inline Batch<T> erfc_magnitude(const Batch<T>& x) {
  const Batch<T> t = min(Batch<T>(30), abs(x));  // erfc(30) is 0
  const Quotient<Batch<T>> factor = erfcx_positive(t);
  return exp_minus_square(t).raised(factor.lost).times(factor.value);
}

/// erf(x) for |x| up to 0.75.
template <class T> inline Batch<T> erf_centre(const Batch<T>& x) {
  return fma(x, polynomial(x * x, tables::Constants<T>::erf), x);
}

template <class T> inline Batch<T> erf(const Batch<T>& x) {
  using V = Batch<T>;
  return select(abs(x) < V(0.75), erf_centre(x), copysign(V(1) - erfc_magnitude(x), x));
}
/// 1 - erf(x), with relative accuracy as x grows.
template <class T> inline Batch<T> erfc(const Batch<T>& x) {
  using V = Batch<T>;
  const V tail = erfc_magnitude(x);
  return select(abs(x) < V(0.375), V(1) - erf_centre(x), select(x < V(0), V(2) - tail, tail));
}
/// e^(x^2) erfc(x).
template <class T> inline Batch<T> erfcx(const Batch<T>& x) {
  using V = Batch<T>;
  const Quotient<V> factor = erfcx_positive(abs(x));
  const V positive = fma(factor.value, factor.lost, factor.value);
  const V t = min(V(30), abs(x)), square = t * t;
  const V power = exp_power(TwoPart<V>{square, product_error(t, t, square)}).value();
  return select(x < V(0), fma(V(2), power, -positive), positive);
}

/// The standard Gaussian at |x|, up to gauss_far (where it is 0): its upper tail Q(|x|) = upper 2^exponent and its
/// density density 2^exponent, of full relative accuracy, from one exponential and one division.
template <class V> struct GaussianTail {
  V x;  ///< |x|, at most gauss_far
  V upper, density, exponent;
};
template <class V> inline GaussianTail<V> gaussian_tail(const V& x) {
  using T = Element<V>;
  using C = tables::Constants<T>;
  constexpr T inv_sqrt_2pi = T(0.398942280401432677939946059934);
  const V t = min(V(C::gauss_far), abs(x)), square = t * t;
  const Power<V> power = exp_power_within(TwoPart<V>{V(-0.5) * square, V(-0.5) * product_error(t, t, square)});
  const V centre = fma(-t, polynomial(square, C::gauss_centre), V(0.5));  // here the exponent is 0
  const Quotient<V> q = exact_quotient(t, C::gauss_k);
  const V tail = power.raised(q.lost).mantissa_times(rational(q, C::gauss_k, C::gauss));
  return {t, select(t < V(0.8), centre, tail), power.mantissa_times(V(inv_sqrt_2pi)), power.exponent};
}

}  // namespace gradus::simd
