#include "gradus/activations/function.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <numeric>

#include "activations/reference.hpp"
#include "gradus/core/error.hpp"

using namespace gradus;
using namespace gradus::test;

// As a user writes it: unqualified exp and abs, numbers as V(1), a parameter in double.
struct Softsign {
  template <class V> V f(const V& x) const { return x / (V(1) + abs(x)); }
  template <class V> V df(const V& x) const {
    const V d = V(1) + abs(x);
    return V(1) / (d * d);
  }
};

struct ScaledSwish {
  double beta = 1.0;
  template <class V> V s(const V& x) const { return V(1) / (V(1) + exp(-V(beta) * x)); }
  template <class V> V f(const V& x) const { return x * s(x); }
  template <class V> V df(const V& x) const { return s(x) * (V(1) + V(beta) * x * (V(1) - s(x))); }
  template <class V> V d2f(const V& x) const {
    const V b = V(beta);
    return b * s(x) * (V(1) - s(x)) * (V(2) + b * x * (V(1) - V(2) * s(x)));
  }
};

namespace {

struct OnlyValue {
  template <class V> V f(const V& x) const { return 2.0 * x; }
};

template <class T> bool same_bits(const T* a, const T* b, Index n) {
  return n == 0 || std::memcmp(a, b, sizeof(T) * n) == 0;
}

template <class T> std::vector<T> ramp(Index n) {
  std::vector<T> x(n);
  for (Index i = 0; i < n; ++i) x[i] = T(-7.3) + T(0.61) * static_cast<T>(i % 24);
  return x;
}

}  // namespace

TEST_CASE_TEMPLATE("tails are the full loop bit for bit, and nothing beyond them is touched", T, float, double) {
  constexpr Index size = simd::Batch<T>::size, most = 2 * size + 1, padded = 3 * size;
  const std::vector<T> x = ramp<T>(padded);
  std::vector<T> g(padded);
  for (Index i = 0; i < padded; ++i) g[i] = T(1.5) - T(0.37) * static_cast<T>(i);
  for (const Function& f : builtins()) {
    for (int order = 0; order <= 3; ++order) {
      INFO(f.name() << ", derivative " << order);
      std::vector<T> full(padded), weighted(padded);
      f.evaluate(order, x.data(), full.data(), padded);
      f.product(order, x.data(), g.data(), weighted.data(), padded);
      for (Index n = 0; n <= most; ++n) {
        // Inputs of exactly n numbers on the heap: a sanitizer sees a read beyond them.
        const std::vector<T> exact_x(x.begin(), x.begin() + n), exact_g(g.begin(), g.begin() + n);
        std::vector<T> y(n + 2, T(-99));
        f.evaluate(order, exact_x.data(), y.data() + 1, n);
        CHECK(same_bits(y.data() + 1, full.data(), n));
        CHECK((y.front() == -99 && y.back() == -99));
        f.product(order, exact_x.data(), exact_g.data(), y.data() + 1, n);
        CHECK(same_bits(y.data() + 1, weighted.data(), n));
        CHECK((y.front() == -99 && y.back() == -99));
        // In place, and into the gradient.
        std::vector<T> in_place = exact_x;
        f.evaluate(order, in_place.data(), in_place.data(), n);
        CHECK(same_bits(in_place.data(), full.data(), n));
        std::vector<T> into_g = exact_g;
        f.product(order, exact_x.data(), into_g.data(), into_g.data(), n);
        CHECK(same_bits(into_g.data(), weighted.data(), n));
      }
      for (Index i = 0; i < padded; ++i) CHECK(weighted[i] == g[i] * full[i]);
      // A piece that begins anywhere has the bits of the whole.
      std::vector<T> piece(padded);
      f.evaluate(order, x.data() + 1, piece.data(), padded - 1);
      CHECK(same_bits(piece.data(), full.data() + 1, padded - 1));
    }
  }
}

TEST_CASE("a user's struct becomes a function") {
  const Function softsign = activations::make_function(Softsign{});
  CHECK(softsign.name() == "Softsign");
  CHECK(softsign.highest_derivative() == 1);
  CHECK(softsign(-3) == -0.75);
  CHECK(softsign(1, 1.0) == 0.25);
  CHECK(softsign.traits().kinks.empty());

  const Function swish = activations::make_function(ScaledSwish{1.7}, "swish");
  CHECK(swish.name() == "swish");
  CHECK(swish.highest_derivative() == 2);
  const Function silu = activations::activation("silu");
  for (double x = -6; x < 6; x += 0.3) {
    CHECK(swish(x) == doctest::Approx(silu(1.7 * x) / 1.7).epsilon(1e-13));
    CHECK(swish(1, x) == doctest::Approx(silu(1, 1.7 * x)).epsilon(1e-13));
    CHECK(swish(2, x) == doctest::Approx(1.7 * silu(2, 1.7 * x)).epsilon(1e-12));
  }
  std::vector<float> x = ramp<float>(37), y(37);
  swish.evaluate(0, x.data(), y.data(), 37);
  for (int i = 0; i < 37; ++i) CHECK(y[i] == doctest::Approx(swish(x[i])).epsilon(1e-6));

  const Function twice = activations::make_function(OnlyValue{});
  CHECK(twice.highest_derivative() == 0);
  CHECK(twice(4) == 8);
}

TEST_CASE("a derivative that was not given is asked for by name") {
  const Function softsign = activations::make_function(Softsign{}, "another name");
  CHECK_THROWS_WITH_AS(softsign(2, 0.5),
                       "Softsign: the second derivative was asked for, but d2f is not given; add "
                       "`template <class V> V d2f(const V& x) const`",
                       Error);
  CHECK_THROWS_WITH_AS(activations::make_function(OnlyValue{})(1, 0.5),
                       "OnlyValue: the first derivative was asked for, but df is not given; add "
                       "`template <class V> V df(const V& x) const`",
                       Error);
  CHECK_THROWS_WITH_AS(activations::make_function(ScaledSwish{})(3, 0.5),
                       doctest::Contains("ScaledSwish: the third derivative was asked for, but d3f"), Error);
  float x = 1, y = 7;
  CHECK_THROWS_AS(softsign.evaluate(2, &x, &y, 1), Error);
  CHECK_THROWS_AS(softsign.product(3, &x, &x, &y, 1), Error);
  CHECK(y == 7);
  CHECK_THROWS_WITH_AS(softsign(4, 0.5),
                       "Softsign: the derivative of order 4 was asked for; an activation gives its first three at most",
                       Error);
  CHECK_THROWS_WITH_AS(softsign(-1, 0.5), "Softsign: there is no derivative of order -1", Error);
}

TEST_CASE("built-in templates also serve plain double, for the theory") {
  CHECK(activations::GELU{}.f(-10.0) == doctest::Approx(-7.619853024160526e-23).epsilon(1e-13));
  for (double x = -12; x < 12; x += 0.23) {
#define GRADUS_COMPARE(A)                                      \
  {                                                            \
    const activations::A a;                                    \
    const Function f = activations::make_function(a);          \
    INFO(f.name() << " at " << x);                             \
    CHECK(a.f(x) == doctest::Approx(f(0, x)).epsilon(1e-13));  \
    CHECK(a.df(x) == doctest::Approx(f(1, x)).epsilon(1e-13)); \
    CHECK(std::fabs(a.d2f(x) - f(2, x)) <= 1e-14);             \
    CHECK(std::fabs(a.d3f(x) - f(3, x)) <= 1e-14);             \
  }
    GRADUS_ACTIVATIONS(GRADUS_COMPARE)
#undef GRADUS_COMPARE
  }
}

TEST_CASE("a Function tells the struct behind it, to those who know its type") {
  const Function f = activations::make_function(activations::ELU{0.5});
  REQUIRE(f.target<activations::ELU>() != nullptr);
  CHECK(f.target<activations::ELU>()->alpha == 0.5);
  CHECK(f.target<activations::CELU>() == nullptr);
  CHECK(f.target<int>() == nullptr);
}
