#pragma once
// The time loop of a recurrent layer of one map, h_t = f(a_t + W h_(t-1)), where a_t is the input's half. T is float or
// double.
#include "gradus/activations/function.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// Arrays over time are (steps, batch, hidden). With `reversed` the last step comes first, and t - 1 stands for t + 1.
struct TimeLoop {
  Index steps, batch, hidden;
  bool reversed = false;
};

/// z holds a, and becomes a + h W^T with the h of the step before, h_0 (batch, hidden) for the first one; h = f(z).
/// weight is (hidden, hidden).
template <class T>
void recur(const TimeLoop& loop, const activations::Function& f, const T* h_0, const T* weight, T* z, T* h);

/// From the gradients g of h, as they come from elsewhere, those of z: dz = f'(z) (g + W^T dz of the step after).
template <class T>
void recur_backward(const TimeLoop& loop, const activations::Function& f, const T* z, const T* weight, const T* g,
                    T* dz);

/// The gradient of the weight, (hidden, hidden): dw = the sum over steps of dz^T h of the step before, or dw += it. One
/// product over all steps, and one for h_0.
template <class T>
void recur_weight_gradient(const TimeLoop& loop, const T* h_0, const T* h, const T* dz, bool add, T* dw);

}  // namespace gradus::kernels
