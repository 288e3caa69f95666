#pragma once
// Kernels that move elements without computing. T is float, double or std::int64_t. Outputs overlap no input.
#include <span>

#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// out = x with its axes reordered: axis i of the output is axis axes[i] of the input.
template <class T> void permute(const T* x, const Shape& shape, std::span<const std::size_t> axes, T* out);

/// x seen as (outer, n, inner): out[o, j, i] = x[o, start + j * step, i] for j < count. `step` may be negative.
template <class T>
void take_slice(const T* x, T* out, Index outer, Index n, Index inner, Index start, Index step, Index count);
/// The reverse: out[o, start + j * step, i] = x[o, j, i]; the other elements of out are left alone.
template <class T>
void put_slice(const T* x, T* out, Index outer, Index n, Index inner, Index start, Index step, Index count);
/// The same with +=.
template <class T>
void add_slice(const T* x, T* out, Index outer, Index n, Index inner, Index start, Index step, Index count);

/// out = x broadcast to `to`.
template <class T> void expand(const T* x, const Shape& from, T* out, const Shape& to);

/// x seen as (outer, n, inner), indices of `count` rows, all in [0, n): out[o, j, i] = x[o, indices[j], i].
template <class T>
void index_select(const T* x, const std::int64_t* indices, T* out, Index outer, Index n, Index inner, Index count);
/// out[o, indices[j], i] += x[o, j, i], in the order of j.
template <class T>
void index_add(const T* x, const std::int64_t* indices, T* out, Index outer, Index n, Index inner, Index count);

/// Along the axis of size n of an array (outer, n, inner); indices and out are (outer, count, inner), indices in [0, n):
/// out[o, j, i] = x[o, indices[o, j, i], i].
template <class T>
void gather(const T* x, const std::int64_t* indices, T* out, Index outer, Index n, Index inner, Index count);
/// out[o, indices[o, j, i], i] += x[o, j, i], in the order of j.
template <class T>
void scatter_add(const T* x, const std::int64_t* indices, T* out, Index outer, Index n, Index inner, Index count);

/// out = x where column - row <= diagonal (lower) or >= diagonal (upper), else 0; `batch` matrices one after another.
template <class T> void triangle(const T* x, T* out, Index batch, Index rows, Index columns, Index diagonal, bool lower);

}  // namespace gradus::kernels
