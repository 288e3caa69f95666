#pragma once
// Activation functions on tensors.
#include <type_traits>
#include <utility>

#include "gradus/activations/function.hpp"
#include "gradus/activations/make_function.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// y = f(x), elementwise. The first derivative is one fused pass over memory; higher ones are taken as far as the activation gives
/// them, and asking for more throws.
Tensor activate(const activations::Function& f, const Tensor& x);

/// g f^(order)(x), elementwise, for g of x's shape and an order of 1, 2 or 3: with order 1 what `activate` gives back
/// for the gradient g of its result. Differentiable as far as f gives derivatives.
Tensor activation_gradient(const activations::Function& f, const Tensor& x, const Tensor& g, int order = 1);

/// activate for any struct with `f` and `df` (and `d2f`, `d3f`): templates that take SIMD batches. See
/// gradus/activations/function.hpp.
template <class A>
  requires(!std::is_convertible_v<A, activations::Function>)
Tensor activate(A activation, const Tensor& x) {
  return activate(activations::make_function(std::move(activation)), x);
}

// The built-in ones, with PyTorch's defaults. Formulas and sources are in gradus/activations/NAME.hpp.
Tensor relu(const Tensor& x);
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
Tensor elu(const Tensor& x, double alpha = 1.0);
Tensor celu(const Tensor& x, double alpha = 1.0);
Tensor selu(const Tensor& x);
Tensor gelu(const Tensor& x);
Tensor gelu_tanh(const Tensor& x);
Tensor silu(const Tensor& x);
Tensor mish(const Tensor& x);
Tensor softplus(const Tensor& x, double beta = 1.0, double threshold = 20.0);
Tensor softsign(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor hard_swish(const Tensor& x);
Tensor softshrink(const Tensor& x, double lambda = 0.5);

/// max(x, 0) + slope min(x, 0), the slope learned: one number, or one for each channel (axis 1; the only axis of a vector).
Tensor prelu(const Tensor& x, const Tensor& slope);

}  // namespace gradus
