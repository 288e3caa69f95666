#pragma once
// Elementwise kernels. All arrays are row-major and contiguous. An output may be the same array as an input of the same shape,
// and overlaps nothing otherwise. T is float, double or std::int64_t unless a function says floating.
#include <cmath>
#include <cstdint>

#include "gradus/core/error.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

enum class BinaryOp {
  add, sub, mul, div, floor_divide, remainder, pow, maximum, minimum,
  // 1 where it holds, else 0
  equal, not_equal, less, less_equal, greater, greater_equal
};

/// out = a op b, with `a` and `b` broadcast to `shape` (NumPy's rule).
/// maximum and minimum give NaN where either operand is NaN. Integer div truncates; div, floor_divide and remainder by zero must be
/// excluded by the caller for integers.
template <class T>
void binary(BinaryOp op, const T* a, const Shape& a_shape, const T* b, const Shape& b_shape, T* out, const Shape& shape);

/// out = condition != 0 ? a : b, all broadcast to `shape`.
template <class T>
void where(const T* condition, const Shape& condition_shape, const T* a, const Shape& a_shape, const T* b,
           const Shape& b_shape, T* out, const Shape& shape);

enum class UnaryOp {
  negative, absolute, sign, square,                                                          // all types
  reciprocal, sqrt, rsqrt, exp, expm1, log, log1p, sin, cos, tan, erf, erfc, floor, ceil, round,  // floating
  is_nan, is_finite                                                                          // floating; 1 or 0
};

/// out = op(x), n elements.
template <class T> void unary(UnaryOp op, const T* x, T* out, Index n);

/// out = clamp(x, low, high), NaN stays NaN; and its derivative, out = g where low <= x <= high, else 0.
template <class T> void clamp(const T* x, T low, T high, T* out, Index n);

template <class T> void fill(T* x, T value, Index n);
template <class T> void copy(const T* x, T* out, Index n);
/// y += scale * x
template <class T> void add_scaled(const T* x, T scale, T* y, Index n);
/// x *= factor
template <class T> void scale(T factor, T* x, Index n);
/// out = (To) x. From floating to integer it truncates; values out of range saturate and NaN gives 0.
template <class From, class To> void convert(const From* x, To* out, Index n);
/// x[i] = start + i * step, computed in double (in integers for int64).
template <class T> void ramp(T* x, double start, double step, Index n);
/// True when every element is finite.
template <class T> bool all_finite(const T* x, Index n);
/// True when |a - b| <= atol + rtol |b| everywhere; equal infinities are close.
template <class T> bool all_close(const T* a, const T* b, double rtol, double atol, bool equal_nan, Index n);

/// A C++ number as an element: a fraction or a value out of range has no int64.
template <class T> T number_as(const char* operation, double value) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0) || value != std::floor(value))
      fail(operation, "the number " + std::to_string(value) + " is no int64; convert the tensor with .to(float32) first");
  }
  return static_cast<T>(value);
}

}  // namespace gradus::kernels
