#include "gradus/nn/linear.hpp"

#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {

Linear::Linear(Index in_features, Index out_features, const Options& options) {
  if (in_features < 1 || out_features < 1)
    failf("Linear", "{} features in, {} out; both must be at least 1", in_features, out_features);
  const double bound = 1 / std::sqrt(double(in_features));
  weight = empty({out_features, in_features});
  init::uniform_(weight, -bound, bound);
  weight.requires_grad_();
  if (options.bias) {
    bias = empty({out_features});
    init::uniform_(bias, -bound, bound);
    bias.requires_grad_();
  }
}

Tensor Linear::forward(const Tensor& x) { return functional::linear(x, weight, bias); }

void Linear::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

}  // namespace gradus::nn
