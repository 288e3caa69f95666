#pragma once
// Errors in units of the last place, and arguments that try everything.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace gradus::test {

/// |got - want| in units of the last place of `want` as a T (of the smallest subnormal where want is smaller). Both
/// NaN, or the same infinity: 0. The largest finite number for an infinite want counts 1.
template <class T> double ulp_error(T got, long double want) {
  using Limits = std::numeric_limits<T>;
  constexpr double wrong = 1e30;
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : wrong;
  const T rounded = static_cast<T>(want);
  if (std::isinf(rounded) || std::isinf(got)) {
    if (rounded == got) return 0;
    return std::max(std::fabs(rounded), Limits::max()) == std::max(std::fabs(got), Limits::max()) &&
                   (std::isfinite(want) && std::signbit(rounded) == std::signbit(got))
               ? 1
               : wrong;
  }
  int exponent = 0;
  std::frexp(rounded, &exponent);
  const int unit = std::max(exponent - Limits::digits, Limits::min_exponent - Limits::digits);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) / std::ldexp(1.0L, unit));
}

/// Floats of every exponent and both signs, `step` bit patterns apart, with the special ones; a multiple of 64 of them.
inline std::vector<float> float_sweep(std::uint32_t step) {
  std::vector<float> points;
  for (std::uint64_t pattern = 0; pattern <= 0xffffffffu; pattern += step)
    points.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(pattern)));
  for (const float x :
       {0.0f, 1e-45f, 1.17549435e-38f, 1e-8f, 1.0f, 20.0f, 88.72284f, 89.0f, 104.0f, 1e4f, 3.4028235e38f, INFINITY}) {
    points.push_back(x);
    points.push_back(-x);
  }
  points.push_back(NAN);
  while (points.size() % 64 != 0) points.push_back(0.5f);
  return points;
}

/// Random doubles: a quarter of all bit patterns, the others around the sizes where the functions bend; with the
/// special ones.
inline std::vector<double> double_sample(int count, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> points;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t draw = generator();
    const double unit = std::ldexp(static_cast<double>(draw >> 11), -52) - 1;
    const int exponent = static_cast<int>(generator() % 64);
    if (i % 4 == 0)
      points.push_back(std::bit_cast<double>(draw));
    else
      points.push_back(std::ldexp(unit, i % 4 == 1 ? exponent - 54 : exponent % 12 - 1));
  }
  for (const double x : {0.0, 5e-324, 2.2250738585072014e-308, 1e-8, 1.0, 20.0, 89.0, 709.78, 709.79, 745.13, 745.14,
                         1e4, 1.7976931348623157e308, static_cast<double>(INFINITY)}) {
    points.push_back(x);
    points.push_back(-x);
  }
  points.push_back(NAN);
  while (points.size() % 64 != 0) points.push_back(0.5);
  return points;
}

}  // namespace gradus::test
