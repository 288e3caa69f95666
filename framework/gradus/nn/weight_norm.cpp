#include "gradus/nn/weight_norm.hpp"

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/nn/reparametrized.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/ops/reduce.hpp"

namespace gradus::nn {
namespace {

// One norm for each slice along the first axis, the other axes kept with size 1.
Tensor norms(const Tensor& v) {
  ReduceOptions others{.keepdim = true};
  for (Index axis = 1; axis < v.dim(); ++axis) others.axes.push_back(axis);
  return sqrt(sum(square(v), others));
}

}  // namespace

template <class Layer>
WeightNorm<Layer>::WeightNorm(Layer layer) : layer_(std::move(layer)) {
  if (!layer_.weight.defined()) fail("WeightNorm", "the layer has no weight");
  const NoGrad no_grad;
  weight_g = norms(layer_.weight.detach());
  for (Index i = 0; i < weight_g.numel(); ++i)
    if (weight_g[i].item() == 0)
      failf("WeightNorm", "slice {} of the weight {} is 0 and has no direction; initialise it before it is normalised",
            i, layer_.weight.shape());
  take(layer_, weight_v, bias);
  weight_g.requires_grad_(weight_v.requires_grad());
}

template <class Layer>
Tensor WeightNorm<Layer>::weight() const {
  return weight_v * (weight_g / norms(weight_v));
}

template <class Layer>
Tensor WeightNorm<Layer>::forward(const Tensor& x) {
  return forward_with(layer_, x, weight(), bias);
}

template <class Layer>
void WeightNorm<Layer>::visit(Visitor& v) {
  v("weight_g", weight_g);
  v("weight_v", weight_v);
  v("bias", bias);
}

template class WeightNorm<Linear>;
template class WeightNorm<Conv1d>;
template class WeightNorm<Conv2d>;

}  // namespace gradus::nn
