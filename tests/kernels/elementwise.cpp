#include "gradus/kernels/elementwise.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "gradus/core/parallel.hpp"

using namespace gradus;
using kernels::BinaryOp;
using kernels::UnaryOp;

namespace {

template <class T>
std::vector<T> numbers(Index n, int seed) {
  std::vector<T> x(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) x[std::size_t(i)] = T((i * 37 + seed * 11) % 23 - 9) / T(std::is_integral_v<T> ? 1 : 4);
  return x;
}

// The place in an operand that element i of the output reads.
Index source(const Shape& operand, const Shape& shape, Index i) {
  Index at = 0, step = 1;
  for (std::size_t a = shape.size(); a-- > 0;) {
    const Index place = i % shape[a];
    i /= shape[a];
    if (shape.size() - a > operand.size()) continue;
    const Index size = operand[operand.size() - (shape.size() - a)];
    at += (size == 1 ? 0 : place) * step;
    step *= size;
  }
  return at;
}

template <class T>
double expected(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::add:
      return double(a + b);
    case BinaryOp::sub:
      return double(a - b);
    case BinaryOp::mul:
      return double(a * b);
    case BinaryOp::maximum:
      return double(a > b ? a : b);
    case BinaryOp::minimum:
      return double(a < b ? a : b);
    case BinaryOp::equal:
      return a == b;
    case BinaryOp::not_equal:
      return a != b;
    case BinaryOp::less:
      return a < b;
    case BinaryOp::less_equal:
      return a <= b;
    case BinaryOp::greater:
      return a > b;
    case BinaryOp::greater_equal:
      return a >= b;
    default:
      return 0;
  }
}

const std::vector<std::pair<Shape, Shape>> pairs{{{}, {}},
                                                 {{7}, {7}},
                                                 {{7}, {}},
                                                 {{}, {7}},
                                                 {{3, 5}, {5}},
                                                 {{3, 5}, {3, 1}},
                                                 {{3, 1}, {1, 5}},
                                                 {{0, 3}, {3}},
                                                 {{1}, {0}},
                                                 {{2, 3, 5}, {3, 1}},
                                                 {{2, 1, 5}, {3, 1}},
                                                 {{2, 1, 3, 1, 2}, {1, 4, 1, 3, 1}},
                                                 {{300, 401}, {401}},
                                                 {{300, 401}, {300, 1}},
                                                 {{2, 1, 1, 2, 1, 3, 1, 2}, {1, 2, 1, 1, 2, 1, 2, 2}}};

}  // namespace

TEST_CASE_TEMPLATE("binary operations over all kinds of broadcasts", T, float, double, std::int64_t) {
  for (const auto& [a_shape, b_shape] : pairs) {
    const Shape shape = broadcast_shapes("test", a_shape, b_shape);
    CAPTURE(to_string(a_shape));
    CAPTURE(to_string(b_shape));
    const std::vector<T> a = numbers<T>(a_shape.numel(), 1), b = numbers<T>(b_shape.numel(), 2);
    for (const BinaryOp op :
         {BinaryOp::add, BinaryOp::sub, BinaryOp::mul, BinaryOp::maximum, BinaryOp::minimum, BinaryOp::equal,
          BinaryOp::not_equal, BinaryOp::less, BinaryOp::less_equal, BinaryOp::greater, BinaryOp::greater_equal}) {
      std::vector<T> out(std::size_t(shape.numel()) + 1, T(77));
      kernels::binary(op, a.data(), a_shape, b.data(), b_shape, out.data(), shape);
      bool ok = out.back() == T(77);
      for (Index i = 0; i < shape.numel(); ++i)
        ok = ok && double(out[std::size_t(i)]) == expected(op, a[std::size_t(source(a_shape, shape, i))],
                                                           b[std::size_t(source(b_shape, shape, i))]);
      CHECK(ok);
    }
  }
}

TEST_CASE_TEMPLATE("the output may be an input", T, float, double, std::int64_t) {
  std::vector<T> a = numbers<T>(1000, 1);
  const std::vector<T> before = a, b = numbers<T>(1000, 2);
  kernels::binary(BinaryOp::sub, b.data(), {1000}, a.data(), {1000}, a.data(), {1000});
  for (std::size_t i = 0; i < 1000; ++i) REQUIRE(a[i] == b[i] - before[i]);
  kernels::unary(UnaryOp::negative, a.data(), a.data(), 1000);
  for (std::size_t i = 0; i < 1000; ++i) REQUIRE(a[i] == before[i] - b[i]);
}

TEST_CASE_TEMPLATE("where over all kinds of broadcasts", T, float, double, std::int64_t) {
  for (const auto& [a_shape, b_shape] : pairs)
    for (const Shape& c_shape : {a_shape, b_shape, Shape{}}) {
      const Shape shape = broadcast_shapes("test", a_shape, b_shape);
      const std::vector<T> a = numbers<T>(a_shape.numel(), 1), b = numbers<T>(b_shape.numel(), 2);
      std::vector<T> c = numbers<T>(c_shape.numel(), 3);
      for (std::size_t i = 0; i < c.size(); ++i)
        if (i % 2 == 0) c[i] = 0;
      std::vector<T> out(std::size_t(shape.numel()));
      kernels::where(c.data(), c_shape, a.data(), a_shape, b.data(), b_shape, out.data(), shape);
      bool ok = true;
      for (Index i = 0; i < shape.numel(); ++i)
        ok = ok && out[std::size_t(i)] == (c[std::size_t(source(c_shape, shape, i))] != 0
                                               ? a[std::size_t(source(a_shape, shape, i))]
                                               : b[std::size_t(source(b_shape, shape, i))]);
      CHECK(ok);
    }
}

TEST_CASE_TEMPLATE("unary functions agree with the library's, at every length", T, float, double) {
  struct Function {
    UnaryOp op;
    double (*reference)(double);
    double low, high;
  };
  const std::vector<Function> functions{{UnaryOp::sqrt, std::sqrt, 0, 50},
                                        {UnaryOp::exp, std::exp, -20, 20},
                                        {UnaryOp::expm1, std::expm1, -3, 3},
                                        {UnaryOp::log, std::log, 1e-3, 50},
                                        {UnaryOp::log1p, std::log1p, -0.9, 3},
                                        {UnaryOp::sin, std::sin, -30, 30},
                                        {UnaryOp::cos, std::cos, -30, 30},
                                        {UnaryOp::tan, std::tan, -1.4, 1.4},
                                        {UnaryOp::erf, std::erf, -4, 4},
                                        {UnaryOp::erfc, std::erfc, -4, 4},
                                        {UnaryOp::floor, std::floor, -9, 9},
                                        {UnaryOp::ceil, std::ceil, -9, 9},
                                        {UnaryOp::round, std::nearbyint, -9, 9},
                                        {UnaryOp::reciprocal, [](double v) { return 1 / v; }, 0.1, 9},
                                        {UnaryOp::rsqrt, [](double v) { return 1 / std::sqrt(v); }, 0.1, 9},
                                        {UnaryOp::square, [](double v) { return v * v; }, -9, 9},
                                        {UnaryOp::absolute, [](double v) { return std::abs(v); }, -9, 9}};
  const double tolerance = std::is_same_v<T, float> ? 1e-6 : 1e-14;
  for (const Function& f : functions) {
    CAPTURE(int(f.op));
    for (const Index n : {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 1001, 70'001}) {
      std::vector<T> x(static_cast<std::size_t>(n)), y(static_cast<std::size_t>(n) + 1, T(77));
      for (Index i = 0; i < n; ++i) x[std::size_t(i)] = T(f.low + (f.high - f.low) * double(i % 997) / 997);
      kernels::unary(f.op, x.data(), y.data(), n);
      bool ok = y.back() == T(77);
      for (Index i = 0; i < n; ++i) {
        const double want = f.reference(double(x[std::size_t(i)]));
        ok = ok && std::abs(double(y[std::size_t(i)]) - want) <= tolerance * std::max(1.0, std::abs(want));
      }
      CHECK(ok);
    }
  }
}

TEST_CASE("sums, conversions and ramps") {
  std::vector<float> x(5, 2), y(5, 1);
  kernels::add_scaled(x.data(), 3.F, y.data(), 5);
  CHECK(y == std::vector<float>(5, 7));
  kernels::scale(2.F, y.data(), 5);
  CHECK(y == std::vector<float>(5, 14));
  std::vector<std::int64_t> ramp(4);
  kernels::ramp(ramp.data(), -3, 2, 4);
  CHECK(ramp == std::vector<std::int64_t>{-3, -1, 1, 3});
  const std::vector<double> wild{2.9, -2.9, 9.3e18, -9.3e18, std::nan(""), 9223372036854775807.0};
  std::vector<std::int64_t> tame(6);
  kernels::convert(wild.data(), tame.data(), 6);
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(),
                         least = std::numeric_limits<std::int64_t>::min();
  CHECK(tame == std::vector<std::int64_t>{2, -2, most, least, 0, most});
  CHECK_THROWS_WITH_AS(kernels::unary(UnaryOp::exp, tame.data(), tame.data(), 1), doctest::Contains("no integer form"),
                       Error);
}

TEST_CASE_TEMPLATE("finite and close", T, float, double) {
  std::vector<T> x(1000, std::numeric_limits<T>::max());
  CHECK(kernels::all_finite(x.data(), 1000));
  for (const T bad :
       {std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()})
    for (const std::size_t place : {std::size_t{0}, std::size_t{501}, std::size_t{999}}) {
      std::vector<T> y = x;
      y[place] = bad;
      CHECK(!kernels::all_finite(y.data(), 1000));
      CHECK(!kernels::all_close(x.data(), y.data(), 1, 1, false, 1000));
      CHECK(kernels::all_close(y.data(), y.data(), 0, 0, true, 1000));
      CHECK(kernels::all_close(y.data(), y.data(), 0, 0, false, 1000) == !std::isnan(bad));
    }
  const T a = 1, b = T(1.001);
  CHECK(kernels::all_close(&a, &b, 1e-2, 0, false, 1));
  CHECK(!kernels::all_close(&a, &b, 1e-4, 0, false, 1));
  CHECK(kernels::all_close(&a, &b, 0, 1e-2, false, 1));
  CHECK(kernels::all_finite(x.data(), 0));
}
