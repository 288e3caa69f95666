#pragma once
// Operations that arrange elements. reshape and its relatives share the numbers, the others copy them.
#include <vector>

#include "gradus/autograd/algebra.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// The same elements, row-major, under another shape; one size may be -1 and is worked out.
Tensor reshape(const Tensor& x, const Shape& shape);
/// Axes first to last (inclusive) become one.
Tensor flatten(const Tensor& x, Index first = 0, Index last = -1);
/// Removes an axis of size 1.
Tensor squeeze(const Tensor& x, Index axis);
/// Adds an axis of size 1 before `axis`; -1 adds it at the end.
Tensor unsqueeze(const Tensor& x, Index axis);
/// Axis i of the result is axis axes[i] of x.
Tensor permute(const Tensor& x, const std::vector<Index>& axes);
Tensor transpose(const Tensor& x, Index axis0, Index axis1);
/// Elements start, start + step, ... below stop of one axis. Negative positions count from the end; positions beyond it are cut, as
/// in Python. step >= 1.
Tensor slice(const Tensor& x, Index axis, Index start, Index stop, Index step = 1);
/// The sub-tensor at `index` of `axis`, without that axis.
Tensor select(const Tensor& x, Index axis, Index index);
/// Reverses the order along the axes.
Tensor flip(const Tensor& x, const std::vector<Index>& axes);
/// Joins along an existing axis; all other sizes are equal.
Tensor cat(const std::vector<Tensor>& tensors, Index axis = 0);
/// Joins along a new axis; all shapes are equal.
Tensor stack(const std::vector<Tensor>& tensors, Index axis = 0);
/// Parts of the given sizes, which add up to that of the axis. However many they are, their gradients are joined in one array; those
/// of as many slices would take one of x's size each.
std::vector<Tensor> split(const Tensor& x, const std::vector<Index>& sizes, Index axis = 0);
/// `count` parts of equal size, the last one smaller when it does not divide.
std::vector<Tensor> chunk(const Tensor& x, Index count, Index axis = 0);
/// The sub-tensors along `axis`, without that axis; as for split, at the cost of one array in the backward pass.
std::vector<Tensor> unbind(const Tensor& x, Index axis = 0);
/// The whole tensor repeats[i] times along axis i; more repeats than axes add leading axes.
Tensor repeat(const Tensor& x, const std::vector<Index>& repeats);
/// `value` around x: padding holds (before, after) for the last axis, then for the one before it, ... (PyTorch's order).
/// Negative amounts cut off.
Tensor pad(const Tensor& x, const std::vector<Index>& padding, double value = 0);

}  // namespace gradus
