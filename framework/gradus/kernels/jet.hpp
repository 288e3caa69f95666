#pragma once
// Derivatives carried forward through elementwise functions. T is float or double.
#include "gradus/activations/function.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// A jet j (directions + 1, n) beside n numbers z: their first derivatives along some directions, and last the sum over
/// these of the second ones. out becomes that of f(z):
///   out_i = f'(z) j_i,   out_last = f'(z) j_last + f''(z) sum_i j_i^2.
template <class T>
void activate_jet(const activations::Function& f, Index directions, Index n, const T* z, const T* j, T* out);

/// From the gradient g of out, those of z and j:
///   dj_i = f' g_i + 2 f'' g_last j_i,   dj_last = f' g_last,
///   dz = f'' sum_i g_i j_i + f'' g_last j_last + f''' g_last sum_i j_i^2.
template <class T>
void activate_jet_backward(const activations::Function& f, Index directions, Index n, const T* z, const T* j,
                           const T* g, T* dz, T* dj);

}  // namespace gradus::kernels
