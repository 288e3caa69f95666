#pragma once
// Reductions over some or all axes.
#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// The sum over options.axes (none: all). float32 adds up in double. Nothing sums to 0.
Tensor sum(const Tensor& x, const ReduceOptions& options = {});
/// The mean; NaN of nothing.
Tensor mean(const Tensor& x, const ReduceOptions& options = {});
/// Sum of squared deviations from the mean, over n - correction; NaN when that is not positive.
Tensor var(const Tensor& x, const VarOptions& options = {});
/// The square root of var. Its gradient is 0 where all numbers are equal.
Tensor std(const Tensor& x, const VarOptions& options = {});
/// The product. The gradient is right with zeros among the factors, too.
Tensor prod(const Tensor& x, const ReduceOptions& options = {});
/// The largest (smallest) value. Equal ones share the gradient evenly. Throws when there is nothing to choose from.
Tensor max(const Tensor& x, const ReduceOptions& options = {});
Tensor min(const Tensor& x, const ReduceOptions& options = {});
/// The first index of the largest (smallest) value along `axis`, int64. Throws for an empty axis.
Tensor argmax(const Tensor& x, Index axis, bool keepdim = false);
Tensor argmin(const Tensor& x, Index axis, bool keepdim = false);
/// log(sum(exp(x))), without overflow.
Tensor logsumexp(const Tensor& x, const ReduceOptions& options = {});
/// y[k] = x[0] + ... + x[k] along `axis`.
Tensor cumsum(const Tensor& x, Index axis);
/// The Euclidean norm of all elements. Its gradient at 0 is 0.
Tensor norm(const Tensor& x);

}  // namespace gradus
