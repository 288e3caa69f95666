#pragma once
// Norms of an array as one vector. T is float or double.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// The sum of |x|^p for p > 0, in double; for p = infinity the largest |x|, or NaN when an element is NaN. Does not
/// depend on the number of threads.
template <class T>
double power_sum(const T* x, double p, Index n);

}  // namespace gradus::kernels
