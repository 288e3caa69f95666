#pragma once
// For source files only: the update that SGD and DPSGD share.
#include <vector>

#include "gradus/kernels/optimizer.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus::optim::detail {

/// One call of kernels::sgd for all `updates` (a span of Optimizer::Update) of type `dtype`.
template <class Updates>
void sgd_update(const char* name, DType dtype, const Updates& updates, const kernels::SgdScalars& scalars) {
  dispatch_floating(name, dtype, [&]<class T> {
    std::vector<kernels::SgdPiece<T>> pieces;
    pieces.reserve(updates.size());
    for (const auto& u : updates) {
      const Tensor& p = u.slot->parameter;
      T* buffer = scalars.momentum != 0 ? u.slot->state[0].template data<T>() : nullptr;
      pieces.push_back({p.data<T>(), u.gradient.template data<T>(), buffer, u.fresh != 0, p.numel()});
    }
    kernels::sgd<T>(pieces, scalars);
  });
}

}  // namespace gradus::optim::detail
