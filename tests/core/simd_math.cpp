#include "gradus/core/simd_math.hpp"

#include <doctest/doctest.h>

#include <numbers>
#include <string>
#include <vector>

#include "core/ulp.hpp"

using gradus::simd::Batch;
using gradus::test::double_sample;
using gradus::test::float_sweep;
using gradus::test::ulp_error;

namespace {

// The largest error of f over the points against the reference, in units of the last place; the check names the worst
// point. The reference of float functions is double's (fast), of double functions long double's.
template <class T, class F, class R>
void check_bound(const char* name, const std::vector<T>& points, double bound, F f, R reference) {
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  using V = Batch<T>;
  double worst = 0;
  T at = 0, got = 0;
  T values[V::size];
  for (std::size_t i = 0; i + V::size <= points.size(); i += V::size) {
    f(V::load(&points[i])).store(values);
    for (int k = 0; k < V::size; ++k) {
      const double error = ulp_error(values[k], reference(static_cast<Wide>(points[i + k])));
      if (error > worst) worst = error, at = points[i + k], got = values[k];
    }
  }
  INFO(std::string(name) << " of " << std::string(sizeof(T) == 4 ? "float" : "double") << ": worst at " << at
                         << ", got " << got << ", expected " << static_cast<double>(reference(static_cast<Wide>(at))));
  CHECK(worst <= bound);
}

// e^(x^2) erfc(x): by definition while that is in range, beyond by its asymptotic series (Abramowitz and
// Stegun 7.1.23).
template <class W> W erfcx_reference(W x) {
  if (x < -40) return std::numeric_limits<W>::infinity();
  if (!(x > 12)) {
    const W square = x * x, lost = std::fma(x, x, -square);
    return std::exp(square) * std::erfc(x) * (1 + lost);
  }
  W sum = 1, term = 1;
  for (int k = 1; k < 12; ++k) sum += term *= -(2 * k - 1) / (2 * x * x);
  return sum / (x * std::sqrt(std::numbers::pi_v<W>));
}

template <class T> struct Bounds;
template <> struct Bounds<float> {
  static constexpr double exp = 1, expm1 = 1.5, log = 1, log1p = 1.5, sin = 2.5, tanh = 1.5, sigmoid = 2.5, erf = 1.6,
                          erfc = 4, softplus = 2.5;
  static std::vector<float> points() { return float_sweep(1031); }
};
template <> struct Bounds<double> {
  static constexpr double exp = 1, expm1 = 2, log = 1, log1p = 1, sin = 2, tanh = 1.5, sigmoid = 2.5, erf = 2, erfc = 5,
                          softplus = 2.5;
  static std::vector<double> points() { return double_sample(100000, 7); }
};

}  // namespace

TEST_CASE_TEMPLATE("the elementary functions keep their bounds", T, float, double) {
  using B = Bounds<T>;
  const std::vector<T> points = B::points();
  const auto check = [&](const char* name, double bound, auto f, auto reference) {
    check_bound(name, points, bound, f, reference);
  };
  check(
      "exp", B::exp, [](auto x) { return exp(x); }, [](auto x) { return std::exp(x); });
  check(
      "expm1", B::expm1, [](auto x) { return expm1(x); }, [](auto x) { return std::expm1(x); });
  check(
      "log", B::log, [](auto x) { return log(x); }, [](auto x) { return std::log(x); });
  check(
      "log1p", B::log1p, [](auto x) { return log1p(x); }, [](auto x) { return std::log1p(x); });
  check(
      "sin", B::sin, [](auto x) { return sin(x); }, [](auto x) { return std::sin(x); });
  check(
      "cos", B::sin, [](auto x) { return cos(x); }, [](auto x) { return std::cos(x); });
  check(
      "tanh", B::tanh, [](auto x) { return tanh(x); }, [](auto x) { return std::tanh(x); });
  check(
      "sigmoid", B::sigmoid, [](auto x) { return sigmoid(x); },
      [](auto x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); });
  check(
      "erf", B::erf, [](auto x) { return erf(x); }, [](auto x) { return std::erf(x); });
  check(
      "erfc", B::erfc, [](auto x) { return erfc(x); }, [](auto x) { return std::erfc(x); });
  check(
      "erfcx", B::erfc, [](auto x) { return erfcx(x); }, [](auto x) { return erfcx_reference(x); });
  check(
      "log1p_exp", B::softplus, [](auto x) { return log1p_exp(x); },
      [](auto x) { return (std::isnan(x) ? x : std::fmax(x, decltype(x)(0))) + std::log1p(std::exp(-std::fabs(x))); });
  check(
      "floor", 0, [](auto x) { return floor(x); }, [](auto x) { return std::floor(x); });
  check(
      "ceil", 0, [](auto x) { return ceil(x); }, [](auto x) { return std::ceil(x); });
  check(
      "rint", 0, [](auto x) { return rint(x); }, [](auto x) { return std::nearbyint(x); });
  check(
      "sqrt", 0.5, [](auto x) { return sqrt(x); }, [](auto x) { return std::sqrt(x); });
  check(
      "rsqrt", 1.5, [](auto x) { return rsqrt(x); }, [](auto x) { return 1 / std::sqrt(x); });
}

TEST_CASE_TEMPLATE("the Gaussian's tail and density", T, float, double) {
  const std::vector<T> points = Bounds<T>::points();
  check_bound(
      "tail", points, sizeof(T) == 4 ? 4 : 5,
      [](auto x) {
        const auto g = gaussian_tail(x);
        return scale(g.upper, g.exponent);
      },
      [](auto x) { return std::erfc(std::fabs(x) / std::numbers::sqrt2_v<decltype(x)>) / 2; });
  check_bound(
      "density", points, 2.5,
      [](auto x) {
        const auto g = gaussian_tail(x);
        return scale(g.density, g.exponent);
      },
      [](auto x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi_v<decltype(x)>); });
}

TEST_CASE_TEMPLATE("sin and cos near multiples of pi/2 and far out", T, float, double) {
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  std::vector<T> points;
  for (int n = 1; n <= (sizeof(T) == 4 ? 8000 : 100000); ++n) {
    const T near = static_cast<T>(n * (std::numbers::pi_v<Wide> / 2));
    points.push_back(near);
    points.push_back(-near);
    points.push_back(std::nextafter(near, T(0)));
    points.push_back(std::nextafter(near, T(1e9)));
  }
  for (const T x : {T(12866), T(12868), T(1647098), T(1647100), T(1e10), T(1e22)}) points.push_back(x);
  while (points.size() % 64 != 0) points.push_back(1);
  check_bound(
      "sin", points, Bounds<T>::sin, [](auto x) { return sin(x); }, [](auto x) { return std::sin(x); });
  check_bound(
      "cos", points, Bounds<T>::sin, [](auto x) { return cos(x); }, [](auto x) { return std::cos(x); });
}

TEST_CASE_TEMPLATE("signs, zeros, infinities and NaN", T, float, double) {
  using V = Batch<T>;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const auto negative_zero = [](const V& x) { return x[0] == 0 && std::signbit(x[0]); };
  CHECK(negative_zero(expm1(V(T(-0.0)))));
  CHECK(negative_zero(log1p(V(T(-0.0)))));
  CHECK(negative_zero(sin(V(T(-0.0)))));
  CHECK(negative_zero(tanh(V(T(-0.0)))));
  CHECK(negative_zero(erf(V(T(-0.0)))));
  CHECK(exp(V(0))[0] == 1);
  CHECK(exp(V(infinity))[0] == infinity);
  CHECK(exp(V(-infinity))[0] == 0);
  CHECK(expm1(V(-infinity))[0] == -1);
  CHECK(log(V(0))[0] == -infinity);
  CHECK(std::isnan(log(V(-1))[0]));
  CHECK(log(V(infinity))[0] == infinity);
  CHECK(log1p(V(-1))[0] == -infinity);
  CHECK(std::isnan(log1p(V(-2))[0]));
  CHECK(tanh(V(infinity))[0] == 1);
  CHECK(tanh(V(-infinity))[0] == -1);
  CHECK(erf(V(-infinity))[0] == -1);
  CHECK(erfc(V(-infinity))[0] == 2);
  CHECK(erfc(V(infinity))[0] == 0);
  CHECK(std::isnan(sin(V(infinity))[0]));
  const V nan = V(std::numeric_limits<T>::quiet_NaN());
  for (const V& y :
       {exp(nan), expm1(nan), log(nan), log1p(nan), sin(nan), cos(nan), tanh(nan), erf(nan), erfc(nan), erfcx(nan),
        sigmoid(nan), log1p_exp(nan), logaddexp(nan, V(1)), logaddexp(V(1), nan), pow(nan, V(2))})
    CHECK(std::isnan(y[0]));
}

TEST_CASE_TEMPLATE("logaddexp and pow", T, float, double) {
  using V = Batch<T>;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  CHECK(logaddexp(V(std::log(T(2))), V(std::log(T(3))))[0] == doctest::Approx(std::log(5.0)).epsilon(1e-6));
  CHECK(logaddexp(V(1000), V(1000))[0] == doctest::Approx(1000 + std::numbers::ln2).epsilon(1e-7));
  CHECK(logaddexp(V(-infinity), V(-infinity))[0] == -infinity);
  CHECK(logaddexp(V(infinity), V(infinity))[0] == infinity);
  CHECK(logaddexp(V(-infinity), V(3))[0] == 3);
  CHECK(logaddexp(V(infinity), V(-infinity))[0] == infinity);
  CHECK(pow(V(3), V(4))[0] == 81);
  CHECK(pow(V(2), V(-0.5))[V::size - 1] == doctest::Approx(std::sqrt(0.5)));
}

TEST_CASE("templates on V also serve plain numbers") {
  using namespace gradus::simd;
  CHECK(sigmoid(-1000.0) == 0);
  CHECK(sigmoid(0.5) == doctest::Approx(1 / (1 + std::exp(-0.5))).epsilon(1e-15));
  CHECK(log1p_exp(-40.0) == doctest::Approx(std::exp(-40.0)).epsilon(1e-15));
  const auto tail = gaussian_tail(10.0);
  CHECK(scale(tail.upper, tail.exponent) == doctest::Approx(7.619853024160526e-24).epsilon(1e-13));  // Q(10)
  CHECK(scale(tail.density, tail.exponent) == doctest::Approx(7.694598626706419e-23).epsilon(1e-13));
}
