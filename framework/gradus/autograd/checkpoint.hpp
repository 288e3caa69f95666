#pragma once
// Memory for time: compute the inside of a function again in backward instead of keeping it.
#include <functional>
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus::autograd {

/// f(inputs) without keeping the values that f's derivative needs: backward calls f again, recorded, and goes through
/// that (Chen, Xu, Zhang, Guestrin 2016, "Training deep nets with sublinear memory cost": n layers in sqrt(n) such
/// pieces hold the values of about 2 sqrt(n) layers, for one more forward pass).
///
///   Tensor h = autograd::checkpoint([&](const Tensor& x) { return block(x); }, x);
///
/// The gradients, of the inputs and of every other tensor that f uses (parameters), are those of f(inputs) itself, to
/// the bit; only where a tensor is used both inside and outside may their sum be rounded in another order. The default
/// generators are put back for the second call, so that dropout drops the same elements; a generator of a layer's own
/// is not, and f must do the same at both calls. State that f changes is changed twice (running statistics of batch
/// normalisation). What f captures by reference must live until backward. Checkpoints may be nested. Throws in backward
/// when a tensor that f used was changed in place meanwhile, when f gives another shape than before, and when the
/// backward pass is itself recorded (create_graph).
Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs);
Tensor checkpoint(const std::function<Tensor(const Tensor&)>& f, const Tensor& input);

}  // namespace gradus::autograd
