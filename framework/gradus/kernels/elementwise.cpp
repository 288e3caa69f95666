#include "gradus/kernels/elementwise.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "gradus/core/parallel.hpp"
#include "gradus/core/simd_math.hpp"
#include "gradus/kernels/broadcast.hpp"

namespace gradus::kernels {
namespace {

// The cost of a transcendental function next to an addition, for deciding when a second thread pays.
constexpr Index costly_grain = elementwise_grain / 8;

template <class T, class F> void map(const T* x, T* out, Index n, Index grain, F f) {
  parallel_for(n, grain, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) out[i] = f(x[i]);
  });
}

// The same with a function of SIMD batches.
template <class T, class F> void map_batches(const T* x, T* out, Index n, Index grain, F f) {
  using simd::Batch;
  constexpr Index size = Batch<T>::size;
  parallel_for(n, grain, [&](Index first, Index last) {
    Index i = first;
    for (; i + size <= last; i += size) f(Batch<T>::load(x + i)).store(out + i);
    if (const int rest = int(last - i); rest > 0) f(Batch<T>::load_partial(x + i, rest)).store_partial(out + i, rest);
  });
}

// One inner row: each operand advances or stands still. Written out so that each loop vectorises.
template <class T, class F>
void binary_row(const T* a, bool a_moves, const T* b, bool b_moves, T* out, Index n, F f) {
  if (a_moves && b_moves) {
    for (Index i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
  } else if (a_moves) {
    const T right = *b;
    for (Index i = 0; i < n; ++i) out[i] = f(a[i], right);
  } else if (b_moves) {
    const T left = *a;
    for (Index i = 0; i < n; ++i) out[i] = f(left, b[i]);
  } else {
    std::fill(out, out + n, f(*a, *b));
  }
}

template <class T, class F>
void binary_with(const T* a, const Shape& a_shape, const T* b, const Shape& b_shape, T* out, const Shape& shape, Index grain,
                 F f) {
  const Index n = shape.numel();
  if (n == 0) return;
  if (a_shape == b_shape) {
    parallel_for(n, grain, [&](Index first, Index last) { binary_row(a + first, true, b + first, true, out + first, last - first, f); });
    return;
  }
  const BroadcastPlan<2> plan(shape, {&a_shape, &b_shape});
  const bool a_moves = plan.advances(0), b_moves = plan.advances(1);
  if (plan.outer() == 1) {
    parallel_for(n, grain, [&](Index first, Index last) {
      binary_row(a + (a_moves ? first : 0), a_moves, b + (b_moves ? first : 0), b_moves, out + first, last - first, f);
    });
    return;
  }
  plan.for_each_row([&](const std::array<Index, 2>& offset, Index position) {
    binary_row(a + offset[0], a_moves, b + offset[1], b_moves, out + position, plan.inner(), f);
  });
}

// Unsigned arithmetic wraps around; signed overflow would be undefined.
template <class T, class F> T wrapping(T a, T b, F f) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
  else
    return f(a, b);
}

constexpr auto sum = [](auto p, auto q) { return p + q; };
constexpr auto difference = [](auto p, auto q) { return p - q; };
constexpr auto product = [](auto p, auto q) { return p * q; };

template <class T> T negative(T v) {
  if constexpr (std::is_integral_v<T>)
    return wrapping(T(0), v, difference);
  else
    return -v;  // 0 - v would lose the sign of zero
}

template <class T> T floor_divide(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    if (b == -1) return negative(a);  // the smallest integer / -1 traps
    const T quotient = a / b;
    return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
  } else {
    // a / b may round up to a whole number that b does not reach: 1 / 0.1. What is left after fmod divides without a rest.
    if (b == 0) return a / b;
    const T rest = std::fmod(a, b);
    T quotient = (a - rest) / b;
    if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
    const T whole = std::floor(quotient);
    return quotient - whole > T(0.5) ? whole + 1 : whole;
  }
}

// The sign of the divisor, as Python's %.
template <class T> T remainder(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    if (b == -1) return 0;
    const T rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  } else {
    const T rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
}

template <class T> T integer_power(T base, T exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  std::uint64_t result = 1, factor = static_cast<std::uint64_t>(base);
  for (; exponent > 0; exponent /= 2, factor *= factor)
    if (exponent % 2 == 1) result *= factor;
  return static_cast<T>(result);
}

}  // namespace

template <class T>
void binary(BinaryOp op, const T* a, const Shape& a_shape, const T* b, const Shape& b_shape, T* out, const Shape& shape) {
  const auto run = [&](auto f, Index grain = elementwise_grain) {
    binary_with(a, a_shape, b, b_shape, out, shape, grain, f);
  };
  switch (op) {
    case BinaryOp::add: return run([](T x, T y) { return wrapping(x, y, sum); });
    case BinaryOp::sub: return run([](T x, T y) { return wrapping(x, y, difference); });
    case BinaryOp::mul: return run([](T x, T y) { return wrapping(x, y, product); });
    case BinaryOp::div: return run([](T x, T y) -> T { return x / y; });
    case BinaryOp::floor_divide: return run([](T x, T y) { return floor_divide(x, y); });
    case BinaryOp::remainder: return run([](T x, T y) { return remainder(x, y); }, costly_grain);
    case BinaryOp::pow:
      return run(
          [](T x, T y) -> T {
            if constexpr (std::is_integral_v<T>)
              return integer_power(x, y);
            else
              return std::pow(x, y);
          },
          costly_grain);
    // x != x is true for NaN alone; it must win whichever side it is on.
    case BinaryOp::maximum: return run([](T x, T y) { return x != x ? x : (y != y ? y : (x > y ? x : y)); });
    case BinaryOp::minimum: return run([](T x, T y) { return x != x ? x : (y != y ? y : (x < y ? x : y)); });
    case BinaryOp::equal: return run([](T x, T y) { return T(x == y); });
    case BinaryOp::not_equal: return run([](T x, T y) { return T(x != y); });
    case BinaryOp::less: return run([](T x, T y) { return T(x < y); });
    case BinaryOp::less_equal: return run([](T x, T y) { return T(x <= y); });
    case BinaryOp::greater: return run([](T x, T y) { return T(x > y); });
    case BinaryOp::greater_equal: return run([](T x, T y) { return T(x >= y); });
  }
}

template <class T>
void where(const T* condition, const Shape& condition_shape, const T* a, const Shape& a_shape, const T* b,
           const Shape& b_shape, T* out, const Shape& shape) {
  if (shape.numel() == 0) return;
  const BroadcastPlan<3> plan(shape, {&condition_shape, &a_shape, &b_shape});
  const Index step_c = plan.advances(0), step_a = plan.advances(1), step_b = plan.advances(2);
  plan.for_each_row([&](const std::array<Index, 3>& offset, Index position) {
    const T* c = condition + offset[0];
    const T* left = a + offset[1];
    const T* right = b + offset[2];
    T* to = out + position;
    const Index n = plan.inner();
    if (step_c && step_a && step_b)
      for (Index i = 0; i < n; ++i) to[i] = c[i] != T(0) ? left[i] : right[i];
    else
      for (Index i = 0; i < n; ++i) to[i] = c[i * step_c] != T(0) ? left[i * step_a] : right[i * step_b];
  });
}

template <class T> void unary(UnaryOp op, const T* x, T* out, Index n) {
  switch (op) {
    case UnaryOp::negative: return map(x, out, n, elementwise_grain, [](T v) { return negative(v); });
    case UnaryOp::absolute: return map(x, out, n, elementwise_grain, [](T v) { return v < 0 ? negative(v) : (v == 0 ? T(0) : v); });
    case UnaryOp::sign: return map(x, out, n, elementwise_grain, [](T v) { return v != v ? v : T((v > 0) - (v < 0)); });
    case UnaryOp::square: return map(x, out, n, elementwise_grain, [](T v) { return wrapping(v, v, product); });
    default: break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    switch (op) {
      case UnaryOp::reciprocal: return map(x, out, n, elementwise_grain, [](T v) { return T(1) / v; });
      case UnaryOp::sqrt: return map(x, out, n, elementwise_grain, [](T v) { return std::sqrt(v); });
      case UnaryOp::rsqrt: return map(x, out, n, elementwise_grain, [](T v) { return T(1) / std::sqrt(v); });
      case UnaryOp::exp: return map_batches(x, out, n, costly_grain, [](const auto& v) { return exp(v); });
      case UnaryOp::expm1: return map_batches(x, out, n, costly_grain, [](const auto& v) { return expm1(v); });
      case UnaryOp::log: return map_batches(x, out, n, costly_grain, [](const auto& v) { return log(v); });
      case UnaryOp::log1p: return map_batches(x, out, n, costly_grain, [](const auto& v) { return log1p(v); });
      case UnaryOp::sin: return map_batches(x, out, n, costly_grain, [](const auto& v) { return sin(v); });
      case UnaryOp::cos: return map_batches(x, out, n, costly_grain, [](const auto& v) { return cos(v); });
      case UnaryOp::tan: return map_batches(x, out, n, costly_grain, [](const auto& v) { return sin(v) / cos(v); });
      case UnaryOp::erf: return map_batches(x, out, n, costly_grain, [](const auto& v) { return erf(v); });
      case UnaryOp::erfc: return map_batches(x, out, n, costly_grain, [](const auto& v) { return erfc(v); });
      case UnaryOp::floor: return map(x, out, n, elementwise_grain, [](T v) { return std::floor(v); });
      case UnaryOp::ceil: return map(x, out, n, elementwise_grain, [](T v) { return std::ceil(v); });
      case UnaryOp::round: return map(x, out, n, elementwise_grain, [](T v) { return std::nearbyint(v); });
      case UnaryOp::is_nan: return map(x, out, n, elementwise_grain, [](T v) { return T(v != v); });
      case UnaryOp::is_finite: return map(x, out, n, elementwise_grain, [](T v) { return T(std::abs(v) <= std::numeric_limits<T>::max()); });
      default: break;
    }
  }
  fail("unary", "this function has no integer form");
}

template <class T> void clamp(const T* x, T low, T high, T* out, Index n) {
  map(x, out, n, elementwise_grain, [=](T v) { return v < low ? low : (v > high ? high : v); });
}

template <class T> void fill(T* x, T value, Index n) {
  parallel_for(n, elementwise_grain, [&](Index first, Index last) { std::fill(x + first, x + last, value); });
}

template <class T> void copy(const T* x, T* out, Index n) {
  parallel_for(n, elementwise_grain, [&](Index first, Index last) {
    std::memcpy(out + first, x + first, std::size_t(last - first) * sizeof(T));
  });
}

template <class T> void add_scaled(const T* x, T scale, T* y, Index n) {
  parallel_for(n, elementwise_grain, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) y[i] = wrapping(y[i], wrapping(scale, x[i], product), sum);
  });
}

template <class T> void scale(T factor, T* x, Index n) {
  parallel_for(n, elementwise_grain, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) x[i] = wrapping(x[i], factor, product);
  });
}

template <class From, class To> void convert(const From* x, To* out, Index n) {
  parallel_for(n, elementwise_grain, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      if constexpr (std::is_integral_v<To> && !std::is_integral_v<From>) {
        constexpr From limit = From(9223372036854775808.0);  // 2^63
        out[i] = x[i] != x[i]     ? 0
                 : x[i] >= limit  ? std::numeric_limits<To>::max()
                 : x[i] < -limit  ? std::numeric_limits<To>::min()
                                  : static_cast<To>(x[i]);
      } else {
        out[i] = static_cast<To>(x[i]);
      }
    }
  });
}

template <class T> void ramp(T* x, double start, double step, Index n) {
  parallel_for(n, elementwise_grain, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      if constexpr (std::is_integral_v<T>)
        x[i] = wrapping(T(start), wrapping(T(i), T(step), product), sum);
      else
        x[i] = T(start + double(i) * step);
    }
  });
}

template <class T> bool all_finite(const T* x, Index n) {
  if constexpr (std::is_integral_v<T>) {
    return true;
  } else {
    // x - x is 0 for finite x and NaN otherwise; one NaN makes the sum NaN.
    T sum = 0;
    for (Index i = 0; i < n; ++i) sum += x[i] - x[i];
    return sum == 0;
  }
}

template <class T> bool all_close(const T* a, const T* b, double rtol, double atol, bool equal_nan, Index n) {
  for (Index i = 0; i < n; ++i) {
    if (a[i] == b[i]) continue;
    if constexpr (std::is_integral_v<T>) {
      if (!(std::abs(double(a[i]) - double(b[i])) <= atol + rtol * std::abs(double(b[i])))) return false;
    } else {
      if (a[i] != a[i] && b[i] != b[i]) {
        if (!equal_nan) return false;
        continue;
      }
      if (std::isinf(a[i]) || std::isinf(b[i])) return false;
      if (!(std::abs(double(a[i]) - double(b[i])) <= atol + rtol * std::abs(double(b[i])))) return false;
    }
  }
  return true;
}

#define GRADUS_INSTANTIATE(T)                                                                                             \
  template void binary(BinaryOp, const T*, const Shape&, const T*, const Shape&, T*, const Shape&);                       \
  template void where(const T*, const Shape&, const T*, const Shape&, const T*, const Shape&, T*, const Shape&);          \
  template void unary(UnaryOp, const T*, T*, Index);                                                                      \
  template void clamp(const T*, T, T, T*, Index);                                                                         \
  template void fill(T*, T, Index);                                                                                       \
  template void copy(const T*, T*, Index);                                                                                \
  template void add_scaled(const T*, T, T*, Index);                                                                       \
  template void scale(T, T*, Index);                                                                                      \
  template void convert(const T*, float*, Index);                                                                         \
  template void convert(const T*, double*, Index);                                                                        \
  template void convert(const T*, std::int64_t*, Index);                                                                  \
  template void ramp(T*, double, double, Index);                                                                          \
  template bool all_finite(const T*, Index);                                                                              \
  template bool all_close(const T*, const T*, double, double, bool, Index);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)
GRADUS_INSTANTIATE(std::int64_t)

}  // namespace gradus::kernels
