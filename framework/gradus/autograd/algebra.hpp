#pragma once
// The three differentiable operations that the engine itself is made of: adding up paths, undoing a broadcast, and its inverse.
#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// a + b, elementwise with broadcasting.
Tensor add(const Tensor& a, const Tensor& b);

/// The sum of x over the axes that broadcasting `shape` to x's shape has repeated; the inverse of expand.
Tensor sum_to(const Tensor& x, const Shape& shape);

/// x repeated along axes of size 1, and along new leading axes, to `shape` (NumPy's broadcasting).
Tensor expand(const Tensor& x, const Shape& shape);

}  // namespace gradus
