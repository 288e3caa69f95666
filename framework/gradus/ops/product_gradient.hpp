#pragma once
// For the rules of operations that multiply matrices.
#include "gradus/autograd/node.hpp"
#include "gradus/ops/linalg.hpp"

namespace gradus {

/// op(a) op(b), a gradient of input `i`, with a and b of two axes: returned, or added to what has arrived at that input
/// already, in the product itself (an undefined tensor). The input may have another shape with as many numbers.
Tensor product_gradient(const autograd::Step& step, std::size_t i, const Tensor& a, const Tensor& b,
                        const MatmulOptions& options = {});

}  // namespace gradus
