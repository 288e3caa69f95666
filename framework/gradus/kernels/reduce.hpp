#pragma once
// Reductions over one axis of an array seen as (outer, n, inner), row-major. The result has shape (outer, inner). Results do not
// depend on the number of threads: work is split between results, or into blocks of a fixed size.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

enum class ReduceOp { sum, prod, maximum, minimum };

/// out[o, i] = op over k of x[o, k, i]. Floating sums add up in double; maximum and minimum give NaN when an element is NaN.
/// An empty axis gives 0 for sum, 1 for prod; maximum and minimum of nothing must be excluded by the caller.
template <class T> void reduce(ReduceOp op, const T* x, T* out, Index outer, Index n, Index inner);

/// out[o, i] = the first k at which x[o, k, i] is largest (smallest); a NaN counts as largest (smallest). n >= 1.
template <class T> void arg_extreme(bool largest, const T* x, std::int64_t* out, Index outer, Index n, Index inner);

/// out[o, k, i] = sum over j <= k of x[o, j, i]; with `reverse`, over j >= k.
template <class T> void cumsum(const T* x, T* out, Index outer, Index n, Index inner, bool reverse);

/// mean[o, i] and the sum of squared deviations from it, in two passes. Either pointer may be null. n >= 1. Floating.
template <class T> void moments(const T* x, T* mean, T* squares, Index outer, Index n, Index inner);

}  // namespace gradus::kernels
