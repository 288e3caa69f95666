#include "gradus/nn/sequential.hpp"

#include "gradus/core/format.hpp"
#include "gradus/ops/arithmetic.hpp"

namespace gradus::nn {

Tensor Sequential::forward(const Tensor& x) {
  Tensor value = x;
  for (AnyModule& module : modules_) value = module(value);
  return value;
}

void Sequential::visit(Visitor& v) {
  for (std::size_t i = 0; i < modules_.size(); ++i) v(std::to_string(i), modules_[i]);
}

Module& Sequential::operator[](std::size_t i) {
  if (i >= modules_.size()) failf("Sequential", "there is no module {} among {}", i, modules_.size());
  return *modules_[i];
}

Tensor Residual::forward(const Tensor& x) {
  const Tensor change = f_(x);
  if (change.shape() != x.shape())
    failf("residual", "x has shape {} but f(x) has shape {}; the two are added", x.shape(), change.shape());
  return x + change;
}

}  // namespace gradus::nn
