#include "gradus/nn/dropout.hpp"

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"

namespace gradus::nn {

Dropout::Dropout(double p) : p_(p) {
  if (!(p >= 0 && p <= 1)) failf("dropout", "a rate of {} is no probability; it must lie in [0, 1]", p);
}

Tensor Dropout::forward(const Tensor& x) { return functional::dropout(x, p_, training()); }

}  // namespace gradus::nn
