#pragma once
// Whole derivatives of functions, and their products with a vector; the names are those of torch.autograd.functional.
//
//   const Tensor j = autograd::jacobian([](const Tensor& x) { return softmax(x, 0); }, x);       // diag(p) - p p^T
//   const auto [value, product] = autograd::hvp([](const Tensor& x) { return x.pow(4).sum(); }, x, v);   // 12 x^2 v
//
// `f` must be made of differentiable operations. It is called with a new leaf that has the numbers of `x`, and recorded
// even inside a NoGrad scope. What does not depend on x has zeros for its derivative. Results are off the tape. All of
// them throw unless x and f's value are floating tensors.
#include <functional>

#include "gradus/tensor/tensor.hpp"

namespace gradus::autograd {

using UnaryFunction = std::function<Tensor(const Tensor&)>;

/// d f / d x, of shape (shape of f(x)..., shape of x...): element [i..., j...] is d f(x)[i...] / d x[j...]. One
/// backward pass per element of f(x).
Tensor jacobian(const UnaryFunction& f, const Tensor& x);

/// The second derivatives of a function with one element, of shape (shape of x..., shape of x...). One backward pass
/// per element of x, through a recorded one. Throws when f(x) has several elements, or an operation in it has no second
/// derivative.
Tensor hessian(const UnaryFunction& f, const Tensor& x);

/// f(x), and a product of a derivative at x with a vector.
struct FunctionProduct {
  Tensor value;
  Tensor product;
};

/// v^T J with v of the shape of f(x); the product has the shape of x. One backward pass.
FunctionProduct vjp(const UnaryFunction& f, const Tensor& x, const Tensor& v);

/// J v with v of the shape of x: the derivative along v, of the shape of f(x). u^T J is linear in u, so that
/// differentiating its product with v by u gives J v: two backward passes, whatever the size (Townsend 2017, "A new
/// trick for calculating Jacobian vector products").
FunctionProduct jvp(const UnaryFunction& f, const Tensor& x, const Tensor& v);

/// v^T H for a function with one element: the derivative of the gradient's product with v, by one more backward pass
/// (Pearlmutter 1994, "Fast exact multiplication by the Hessian"). v and the product have the shape of x.
FunctionProduct vhp(const UnaryFunction& f, const Tensor& x, const Tensor& v);

/// H v. Hessians are symmetric (Schwarz), so this is vhp under its other name; where second derivatives are not
/// continuous, that is what it computes.
FunctionProduct hvp(const UnaryFunction& f, const Tensor& x, const Tensor& v);

}  // namespace gradus::autograd
