#pragma once
// Dropout. T is float or double.
#include "gradus/core/generator.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// out = kept ? scale x + shift : dropped, where word i of the draw decides about element i: it is dropped with the
/// given probability, to within 2^-33. The same draw gives the same choice again, for either type, on any number of
/// threads. `out` may be x.
template <class T>
void dropout(Generator::Draw draw, double probability, const T* x, T scale, T shift, T dropped, T* out, Index n);

}  // namespace gradus::kernels
