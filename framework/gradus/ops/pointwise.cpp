#include "gradus/ops/pointwise.hpp"

#include <numbers>

#include "gradus/autograd/record.hpp"
#include "gradus/kernels/elementwise.hpp"
#include "gradus/ops/arithmetic.hpp"

namespace gradus {

using autograd::Grads;
using autograd::output;
using autograd::record;
using autograd::saves;
using kernels::UnaryOp;

namespace {

Tensor apply(const char* operation, UnaryOp op, const Tensor& x) {
  check_floating(operation, x);
  Tensor value = Tensor::make(operation, x.shape(), x.dtype());
  dispatch_floating(operation, x.dtype(), [&]<class T> { kernels::unary(op, x.data<T>(), value.data<T>(), x.numel()); });
  return value;
}

Tensor apply_any(const char* operation, UnaryOp op, const Tensor& x) {
  Tensor value = Tensor::make(operation, x.shape(), x.dtype());
  dispatch(x.dtype(), [&]<class T> { kernels::unary(op, x.data<T>(), value.data<T>(), x.numel()); });
  return value;
}

constexpr double two_over_sqrt_pi = 2 * std::numbers::inv_sqrtpi;

}  // namespace

Tensor abs(const Tensor& x) {
  return record("abs", apply_any("abs", UnaryOp::absolute, x), {x}, saves(x),
                [](const Tensor& g, const Tensor& v) { return Grads{g * sign(v)}; });
}
Tensor sign(const Tensor& x) { return apply_any("sign", UnaryOp::sign, x); }
Tensor square(const Tensor& x) {
  return record("square", apply_any("square", UnaryOp::square, x), {x}, saves(x),
                [](const Tensor& g, const Tensor& v) { return Grads{g * (2.0 * v)}; });
}
Tensor reciprocal(const Tensor& x) {
  return record("reciprocal", apply("reciprocal", UnaryOp::reciprocal, x), {x}, saves(output),
                [](const Tensor& g, const Tensor& y) { return Grads{-(g * square(y))}; });
}
Tensor sqrt(const Tensor& x) {
  return record("sqrt", apply("sqrt", UnaryOp::sqrt, x), {x}, saves(output),
                [](const Tensor& g, const Tensor& y) { return Grads{g / (2.0 * y)}; });
}
Tensor rsqrt(const Tensor& x) {
  return record("rsqrt", apply("rsqrt", UnaryOp::rsqrt, x), {x}, saves(output),
                [](const Tensor& g, const Tensor& y) { return Grads{g * (-0.5 * y * square(y))}; });
}
Tensor exp(const Tensor& x) {
  return record("exp", apply("exp", UnaryOp::exp, x), {x}, saves(output),
                [](const Tensor& g, const Tensor& y) { return Grads{g * y}; });
}
Tensor expm1(const Tensor& x) {
  return record("expm1", apply("expm1", UnaryOp::expm1, x), {x}, saves(output),
                [](const Tensor& g, const Tensor& y) { return Grads{g * (y + 1.0)}; });
}
Tensor log(const Tensor& x) {
  return record("log", apply("log", UnaryOp::log, x), {x}, saves(x),
                [](const Tensor& g, const Tensor& v) { return Grads{g / v}; });
}
Tensor log1p(const Tensor& x) {
  return record("log1p", apply("log1p", UnaryOp::log1p, x), {x}, saves(x),
                [](const Tensor& g, const Tensor& v) { return Grads{g / (v + 1.0)}; });
}
Tensor sin(const Tensor& x) {
  return record("sin", apply("sin", UnaryOp::sin, x), {x}, saves(x),
                [](const Tensor& g, const Tensor& v) { return Grads{g * cos(v)}; });
}
Tensor cos(const Tensor& x) {
  return record("cos", apply("cos", UnaryOp::cos, x), {x}, saves(x),
                [](const Tensor& g, const Tensor& v) { return Grads{-(g * sin(v))}; });
}
Tensor tan(const Tensor& x) {
  return record("tan", apply("tan", UnaryOp::tan, x), {x}, saves(output),
                [](const Tensor& g, const Tensor& y) { return Grads{g * (square(y) + 1.0)}; });
}
Tensor erf(const Tensor& x) {
  return record("erf", apply("erf", UnaryOp::erf, x), {x}, saves(x), [](const Tensor& g, const Tensor& v) {
    return Grads{g * (two_over_sqrt_pi * exp(-square(v)))};
  });
}
Tensor erfc(const Tensor& x) {
  return record("erfc", apply("erfc", UnaryOp::erfc, x), {x}, saves(x), [](const Tensor& g, const Tensor& v) {
    return Grads{g * (-two_over_sqrt_pi * exp(-square(v)))};
  });
}
Tensor floor(const Tensor& x) { return apply("floor", UnaryOp::floor, x); }
Tensor ceil(const Tensor& x) { return apply("ceil", UnaryOp::ceil, x); }
Tensor round(const Tensor& x) { return apply("round", UnaryOp::round, x); }
Tensor isnan(const Tensor& x) { return apply("isnan", UnaryOp::is_nan, x); }
Tensor isfinite(const Tensor& x) { return apply("isfinite", UnaryOp::is_finite, x); }

}  // namespace gradus
