#pragma once
// Orders along one axis of an array seen as (outer, n, inner), row-major. T is float, double or std::int64_t.
#include <cstdint>

#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// out[o, j, i] = the place k of the element x[o, k, i] that comes j-th when the n elements are in order, for j < count
/// <= n. Equal elements keep their order. NaN counts as larger than any number.
template <class T>
void order(const T* x, std::int64_t* out, Index outer, Index n, Index inner, Index count, bool descending);

}  // namespace gradus::kernels
