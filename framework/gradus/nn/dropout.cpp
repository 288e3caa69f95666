#include "gradus/nn/dropout.hpp"

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"

namespace gradus::nn {

namespace {

double checked(const char* layer, double p) {
  if (!(p >= 0 && p <= 1)) failf(layer, "a rate of {} is no probability; it must lie in [0, 1]", p);
  return p;
}

}  // namespace

Dropout::Dropout(double p) : p_(checked("dropout", p)) {}

Tensor Dropout::forward(const Tensor& x) { return functional::dropout(x, p_, training()); }

AlphaDropout::AlphaDropout(double p) : p_(checked("alpha_dropout", p)) {}

Tensor AlphaDropout::forward(const Tensor& x) { return functional::alpha_dropout(x, p_, training()); }

DropPath::DropPath(double p) : p_(checked("drop_path", p)) {}

Tensor DropPath::forward(const Tensor& x) { return functional::drop_path(x, p_, training()); }

}  // namespace gradus::nn
