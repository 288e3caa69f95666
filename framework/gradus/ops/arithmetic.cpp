#include "gradus/ops/arithmetic.hpp"

#include <algorithm>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/elementwise.hpp"
#include "gradus/ops/pointwise.hpp"

namespace gradus {

using autograd::Grads;
using autograd::record;
using autograd::saves;
using autograd::Step;
using kernels::BinaryOp;

namespace {

Tensor apply(const char* operation, BinaryOp op, const Tensor& a, const Tensor& b) {
  check_same_dtype(operation, a, b);
  const Shape shape = broadcast_shapes(operation, a.shape(), b.shape());
  Tensor value = Tensor::make(operation, shape, a.dtype());
  dispatch(a.dtype(), [&]<class T> {
    kernels::binary(op, a.data<T>(), a.shape(), b.data<T>(), b.shape(), value.data<T>(), shape);
  });
  return value;
}

// A number is a scalar operand that needs no tensor.
Tensor apply(const char* operation, BinaryOp op, const Tensor& a, double b, bool number_first = false) {
  Tensor value = Tensor::make(operation, a.shape(), a.dtype());
  dispatch(a.dtype(), [&]<class T> {
    const T number = kernels::number_as<T>(operation, b);
    if (number_first)
      kernels::binary(op, &number, Shape{}, a.data<T>(), a.shape(), value.data<T>(), a.shape());
    else
      kernels::binary(op, a.data<T>(), a.shape(), &number, Shape{}, value.data<T>(), a.shape());
  });
  return value;
}

void check_divisors(const char* operation, const Tensor& b) {
  if (is_floating(b.dtype())) return;
  const std::int64_t* values = b.data<std::int64_t>();
  if (std::find(values, values + b.numel(), 0) != values + b.numel())
    failf(operation, "an integer divisor is 0, in a tensor of shape {}", b.shape());
}

// Half where equal, all where larger; in the type of the operands.
Tensor share(BinaryOp wins, const Tensor& a, const Tensor& b) {
  return add(apply("share", wins, a, b), apply("share", BinaryOp::equal, a, b) * 0.5);
}

}  // namespace

Tensor sub(const Tensor& a, const Tensor& b) {
  return record("sub", apply("sub", BinaryOp::sub, a, b), {a, b},
                [](const Tensor& g, const Step& step) { return Grads{g, step.needs(1) ? -g : Tensor{}}; });
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return record("mul", apply("mul", BinaryOp::mul, a, b), {a, b}, saves(a, b),
                [](const Tensor& g, const Tensor& x, const Tensor& y, const Step& step) {
                  return Grads{step.needs(0) ? g * y : Tensor{}, step.needs(1) ? g * x : Tensor{}};
                });
}

Tensor div(const Tensor& a, const Tensor& b) {
  check_floating("div", a);
  return record("div", apply("div", BinaryOp::div, a, b), {a, b}, saves(a, b),
                [](const Tensor& g, const Tensor& x, const Tensor& y, const Step& step) {
                  const Tensor gx = g / y;  // d(x/y) = dx / y - x / y^2 dy
                  return Grads{gx, step.needs(1) ? -(gx * (x / y)) : Tensor{}};
                });
}

Tensor floor_divide(const Tensor& a, const Tensor& b) {
  check_divisors("floor_divide", b);
  return apply("floor_divide", BinaryOp::floor_divide, a, b);
}

Tensor remainder(const Tensor& a, const Tensor& b) {
  check_divisors("remainder", b);
  return record("remainder", apply("remainder", BinaryOp::remainder, a, b), {a, b}, saves(a, b),
                [](const Tensor& g, const Tensor& x, const Tensor& y, const Step& step) {
                  return Grads{g, step.needs(1) ? -(g * floor_divide(x, y)) : Tensor{}};
                });
}

Tensor pow(const Tensor& a, const Tensor& b) {
  return record("pow", apply("pow", BinaryOp::pow, a, b), {a, b}, saves(a, b),
                [](const Tensor& g, const Tensor& x, const Tensor& y, const Step& step) {
                  Tensor gx, gy;
                  // Where x = 0 both slopes have corners: y x^(y-1) is 0 for y = 0, x^y log(x) is 0 for y >= 0. There 1
                  // takes the place of x, so that no infinity is multiplied by 0, in the derivatives of this rule
                  // neither.
                  if (step.needs(0)) gx = g * y * pow(where((x == 0.0) * (y == 0.0), 1.0, x), y - 1.0);
                  if (step.needs(1)) {
                    const Tensor no_slope = (x == 0.0) * (y >= 0.0), safe = where(no_slope, 1.0, x);
                    gy = g * (pow(safe, y) * log(safe));
                  }
                  return Grads{gx, gy};
                });
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return record("maximum", apply("maximum", BinaryOp::maximum, a, b), {a, b}, saves(a, b),
                [](const Tensor& g, const Tensor& x, const Tensor& y, const Step& step) {
                  return Grads{step.needs(0) ? g * share(BinaryOp::greater, x, y) : Tensor{},
                               step.needs(1) ? g * share(BinaryOp::less, x, y) : Tensor{}};
                });
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  return record("minimum", apply("minimum", BinaryOp::minimum, a, b), {a, b}, saves(a, b),
                [](const Tensor& g, const Tensor& x, const Tensor& y, const Step& step) {
                  return Grads{step.needs(0) ? g * share(BinaryOp::less, x, y) : Tensor{},
                               step.needs(1) ? g * share(BinaryOp::greater, x, y) : Tensor{}};
                });
}

Tensor add(const Tensor& a, double b) {
  return record("add", apply("add", BinaryOp::add, a, b), {a}, [](const Tensor& g) { return Grads{g}; });
}

Tensor mul(const Tensor& a, double b) {
  return record("mul", apply("mul", BinaryOp::mul, a, b), {a}, [b](const Tensor& g) { return Grads{g * b}; });
}

Tensor operator-(const Tensor& a) {
  Tensor value = Tensor::make("neg", a.shape(), a.dtype());
  dispatch(a.dtype(), [&]<class T> { kernels::unary(kernels::UnaryOp::negative, a.data<T>(), value.data<T>(), a.numel()); });
  return record("neg", std::move(value), {a}, [](const Tensor& g) { return Grads{-g}; });
}

Tensor operator-(double a, const Tensor& b) {
  return record("sub", apply("sub", BinaryOp::sub, b, a, true), {b}, [](const Tensor& g) { return Grads{-g}; });
}

Tensor operator/(const Tensor& a, double b) {
  check_floating("div", a);
  return record("div", apply("div", BinaryOp::div, a, b), {a}, [b](const Tensor& g) { return Grads{g / b}; });
}

Tensor operator/(double a, const Tensor& b) {
  check_floating("div", b);
  return record("div", apply("div", BinaryOp::div, b, a, true), {b}, saves(b),
                [a](const Tensor& g, const Tensor& y) { return Grads{g * (-a / square(y))}; });
}

Tensor pow(const Tensor& a, double exponent) {
  if (exponent == 2) return square(a);
  return record("pow", apply("pow", BinaryOp::pow, a, exponent), {a}, saves(a),
                [exponent](const Tensor& g, const Tensor& x) {
                  if (exponent == 0) return Grads{Tensor{}};
                  return Grads{g * (exponent * pow(x, exponent - 1))};
                });
}

Tensor maximum(const Tensor& x, double bound) {
  return record("maximum", apply("maximum", BinaryOp::maximum, x, bound), {x}, saves(x),
                [bound](const Tensor& g, const Tensor& v) { return Grads{g * (v >= bound)}; });
}

Tensor minimum(const Tensor& x, double bound) {
  return record("minimum", apply("minimum", BinaryOp::minimum, x, bound), {x}, saves(x),
                [bound](const Tensor& g, const Tensor& v) { return Grads{g * (v <= bound)}; });
}

Tensor clamp(const Tensor& x, double low, double high) {
  if (!(low <= high)) failf("clamp", "the lower bound {} is not below the upper bound {}", low, high);
  Tensor value = Tensor::make("clamp", x.shape(), x.dtype());
  dispatch(x.dtype(), [&]<class T> {
    kernels::clamp(x.data<T>(), kernels::number_as<T>("clamp", low), kernels::number_as<T>("clamp", high), value.data<T>(),
                   x.numel());
  });
  return record("clamp", std::move(value), {x}, saves(x), [low, high](const Tensor& g, const Tensor& v) {
    return Grads{g * ((v >= low) * (v <= high))};
  });
}

Tensor eq(const Tensor& a, const Tensor& b) { return apply("eq", BinaryOp::equal, a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return apply("ne", BinaryOp::not_equal, a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return apply("lt", BinaryOp::less, a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return apply("le", BinaryOp::less_equal, a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return apply("gt", BinaryOp::greater, a, b); }
Tensor ge(const Tensor& a, const Tensor& b) { return apply("ge", BinaryOp::greater_equal, a, b); }
Tensor logical_not(const Tensor& a) { return apply("logical_not", BinaryOp::equal, a, 0.0); }
Tensor operator==(const Tensor& a, double b) { return apply("eq", BinaryOp::equal, a, b); }
Tensor operator!=(const Tensor& a, double b) { return apply("ne", BinaryOp::not_equal, a, b); }
Tensor operator<(const Tensor& a, double b) { return apply("lt", BinaryOp::less, a, b); }
Tensor operator<=(const Tensor& a, double b) { return apply("le", BinaryOp::less_equal, a, b); }
Tensor operator>(const Tensor& a, double b) { return apply("gt", BinaryOp::greater, a, b); }
Tensor operator>=(const Tensor& a, double b) { return apply("ge", BinaryOp::greater_equal, a, b); }

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  check_same_dtype("where", a, b);
  const Tensor chooser = (condition.dtype() == a.dtype() ? condition : (condition != 0.0).to(a.dtype())).detach();
  const Shape shape = broadcast_shapes("where", broadcast_shapes("where", a.shape(), b.shape()), condition.shape());
  Tensor value = Tensor::make("where", shape, a.dtype());
  dispatch(a.dtype(), [&]<class T> {
    kernels::where(chooser.data<T>(), chooser.shape(), a.data<T>(), a.shape(), b.data<T>(), b.shape(), value.data<T>(), shape);
  });
  return record("where", std::move(value), {a, b}, saves(chooser),
                [](const Tensor& g, const Tensor& c, const Step& step) {
                  return Grads{step.needs(0) ? where(c, g, 0.0) : Tensor{}, step.needs(1) ? where(c, 0.0, g) : Tensor{}};
                });
}

namespace {
Tensor scalar_like(const Tensor& x, double value) { return Tensor::make("where", Shape{}, x.dtype()).fill_(value); }
}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, double b) { return where(condition, a, scalar_like(a, b)); }
Tensor where(const Tensor& condition, double a, const Tensor& b) { return where(condition, scalar_like(b, a), b); }
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) { return where(mask, value, x); }

bool allclose(const Tensor& a, const Tensor& b, const CloseOptions& options) {
  check_same_dtype("allclose", a, b);
  if (a.shape() != b.shape()) failf("allclose", "shapes {} and {} differ", a.shape(), b.shape());
  return dispatch(a.dtype(), [&]<class T> {
    return kernels::all_close(a.data<T>(), b.data<T>(), options.rtol, options.atol, options.equal_nan, a.numel());
  });
}

}  // namespace gradus
