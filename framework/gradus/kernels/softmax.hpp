#pragma once
// Softmax along the middle axis of (outer, n, inner), row-major, and its derivatives. T is float or double.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// out = exp(x - max) / sum(exp(x - max))
template <class T> void softmax(const T* x, T* out, Index outer, Index n, Index inner);
/// out = x - max - log(sum(exp(x - max)))
template <class T> void log_softmax(const T* x, T* out, Index outer, Index n, Index inner);
/// y = softmax(x): out = y (g - sum(g y))
template <class T> void softmax_backward(const T* y, const T* g, T* out, Index outer, Index n, Index inner);
/// y = log_softmax(x): out = g - exp(y) sum(g)
template <class T> void log_softmax_backward(const T* y, const T* g, T* out, Index outer, Index n, Index inner);

}  // namespace gradus::kernels
