#include "gradus/autograd/jacobian.hpp"

#include <cstring>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"

namespace gradus::autograd {
namespace {

// A function's value, and the leaf that it was computed from.
struct Evaluated {
  Tensor leaf, value;
};

Evaluated evaluate(const char* operation, const UnaryFunction& f, const Tensor& x) {
  if (!f) fail(operation, "the function is empty");
  check_floating(operation, x);
  Evaluated e;
  e.leaf = x.detach().requires_grad_();
  e.value = f(e.leaf);
  if (!e.value.defined()) fail(operation, "the function gave an undefined tensor");
  check_floating(operation, e.value);
  return e;
}

Evaluated evaluate_scalar(const char* operation, const UnaryFunction& f, const Tensor& x) {
  Evaluated e = evaluate(operation, f, x);
  if (e.value.numel() != 1)
    failf(operation, "the function must have one element, but its value has shape {}; reduce it, or take the jacobian",
          e.value.shape());
  return e;
}

void check_vector(const char* operation, const Tensor& v, const Tensor& like, const char* what) {
  if (v.shape() != like.shape())
    failf(operation, "the vector v has shape {}, but {} has shape {}", v.shape(), what, like.shape());
  check_same_dtype(operation, v, like);
}

Tensor zeros(const char* operation, const Shape& shape, DType dtype) {
  return Tensor::make(operation, shape, dtype).zero_();
}

// d y / d x times `seed`; zeros when y does not depend on x.
Tensor pull(const char* operation, const Tensor& y, const Tensor& x, const Tensor& seed, bool keep, bool record) {
  if (!y.requires_grad()) return zeros(operation, x.shape(), x.dtype());
  return grad(y, x, {.grad_output = seed, .retain_graph = keep, .create_graph = record, .allow_unused = true});
}

Tensor rows(const char* operation, const Tensor& y, const Tensor& x) {
  Shape shape = y.shape();
  for (const Index size : x.shape()) shape.push_back(size);
  const Tensor result = zeros(operation, shape, x.dtype());
  if (!y.requires_grad() || result.numel() == 0) return result;
  const std::size_t bytes = std::size_t(x.numel()) * (x.dtype() == float64 ? sizeof(double) : sizeof(float));
  const Index n = y.numel();
  for (Index i = 0; i < n; ++i) {
    const Tensor seed = zeros(operation, y.shape(), y.dtype());
    dispatch_floating(operation, y.dtype(), [&]<class T> { seed.data<T>()[i] = 1; });
    const Tensor row = pull(operation, y, x, seed, i + 1 < n, false);
    std::memcpy(static_cast<char*>(result.raw_data()) + std::size_t(i) * bytes, row.raw_data(), bytes);
  }
  return result;
}

FunctionProduct hessian_product(const char* operation, const UnaryFunction& f, const Tensor& x, const Tensor& v) {
  const EnableGrad recording;
  const Evaluated e = evaluate_scalar(operation, f, x);
  check_vector(operation, v, x, "x");
  const Tensor slope = pull(operation, e.value, e.leaf, {}, true, true);
  return {e.value.detach(), pull(operation, slope, e.leaf, v.detach(), false, false)};
}

}  // namespace

Tensor jacobian(const UnaryFunction& f, const Tensor& x) {
  const EnableGrad recording;
  const Evaluated e = evaluate("jacobian", f, x);
  return rows("jacobian", e.value, e.leaf);
}

Tensor hessian(const UnaryFunction& f, const Tensor& x) {
  const EnableGrad recording;
  const Evaluated e = evaluate_scalar("hessian", f, x);
  return rows("hessian", pull("hessian", e.value, e.leaf, {}, true, true), e.leaf);
}

FunctionProduct vjp(const UnaryFunction& f, const Tensor& x, const Tensor& v) {
  const EnableGrad recording;
  const Evaluated e = evaluate("vjp", f, x);
  check_vector("vjp", v, e.value, "the function's value");
  return {e.value.detach(), pull("vjp", e.value, e.leaf, v.detach(), false, false)};
}

FunctionProduct jvp(const UnaryFunction& f, const Tensor& x, const Tensor& v) {
  const EnableGrad recording;
  const Evaluated e = evaluate("jvp", f, x);
  check_vector("jvp", v, x, "x");
  const Tensor u = zeros("jvp", e.value.shape(), e.value.dtype()).requires_grad_();
  const Tensor slope = pull("jvp", e.value, e.leaf, u, true, true);
  return {e.value.detach(), pull("jvp", slope, u, v.detach(), false, false)};
}

FunctionProduct vhp(const UnaryFunction& f, const Tensor& x, const Tensor& v) {
  return hessian_product("vhp", f, x, v);
}

FunctionProduct hvp(const UnaryFunction& f, const Tensor& x, const Tensor& v) {
  return hessian_product("hvp", f, x, v);
}

}  // namespace gradus::autograd
