#pragma once
// Operations that choose elements by index or by place. Indices are int64 tensors with values in [0, n) of the axis
// they index; anything else throws, naming the index and the size.
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// Rows by index: result[.., j, ..] = x[.., indices[j], ..] along `axis`; indices is a vector. The same row may come
/// several times.
Tensor index_select(const Tensor& x, Index axis, const Tensor& indices);
/// x with source added: result[.., indices[j], ..] += source[.., j, ..]. Indices that come several times add up.
Tensor index_add(const Tensor& x, Index axis, const Tensor& indices, const Tensor& source);

/// Elements by index: for axis 1 of three, result[a, j, c] = x[a, indices[a, j, c], c]. indices has as many axes as x
/// and is nowhere longer than x, but for `axis`; the result has its shape.
Tensor gather(const Tensor& x, Index axis, const Tensor& indices);
/// x with source added: for axis 1 of three, result[a, indices[a, j, c], c] += source[a, j, c]. indices is nowhere
/// longer than source, nor than x but for `axis`. Indices that come several times add up.
Tensor scatter_add(const Tensor& x, Index axis, const Tensor& indices, const Tensor& source);
/// The same as gather, with x and indices broadcast to each other beyond `axis`.
Tensor take_along_dim(const Tensor& x, const Tensor& indices, Index axis);

/// A new last axis of size `classes` that is 1 at the label and 0 elsewhere; int64 unless options.dtype says otherwise.
/// classes = -1: the largest label + 1.
Tensor one_hot(const Tensor& labels, Index classes = -1, const TensorOptions& options = {});

/// Values, and the places along the axis that they come from (int64). The values are differentiable.
struct Selection {
  Tensor values;
  Tensor indices;
};
/// The k largest (smallest) elements along `axis`, in order; equal ones by place. NaN counts as larger than any number.
Selection topk(const Tensor& x, Index k, Index axis = -1, bool largest = true);
/// The elements in rising (falling) order; equal ones keep theirs. NaN counts as larger than any number.
Selection sort(const Tensor& x, Index axis = -1, bool descending = false);
/// Only the places of sort.
Tensor argsort(const Tensor& x, Index axis = -1, bool descending = false);

/// The last two axes with 0 above the given diagonal: column - row > diagonal. Diagonal 0 is the main one, 1 the one
/// above it.
Tensor tril(const Tensor& x, Index diagonal = 0);
/// The last two axes with 0 below the given diagonal: column - row < diagonal.
Tensor triu(const Tensor& x, Index diagonal = 0);
/// The elements with place(axis1) - place(axis0) = offset; both axes go and the diagonal becomes the last axis.
Tensor diagonal(const Tensor& x, Index offset = 0, Index axis0 = 0, Index axis1 = 1);
/// The diagonal of a matrix; for a vector, the square matrix that has it on the given diagonal, with 0 elsewhere.
Tensor diag(const Tensor& x, Index diagonal = 0);

}  // namespace gradus
