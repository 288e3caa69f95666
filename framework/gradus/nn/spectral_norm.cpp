#include "gradus/nn/spectral_norm.hpp"

#include <algorithm>
#include <cmath>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/nn/reparametrized.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/linalg.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {
namespace {

Tensor as_matrix(const Tensor& weight) { return weight.reshape({weight.size(0), weight.numel() / weight.size(0)}); }

Tensor normalized(const Tensor& x, double eps) { return x / std::max(norm(x).item(), eps); }

}  // namespace

template <class Layer>
SpectralNorm<Layer>::SpectralNorm(Layer layer, const Options& options) : layer_(std::move(layer)), options_(options) {
  if (!layer_.weight.defined()) fail("SpectralNorm", "the layer has no weight");
  if (options.n_power_iterations < 1)
    failf("SpectralNorm", "n_power_iterations is {}; it must be at least 1", options.n_power_iterations);
  if (!(options.eps > 0)) failf("SpectralNorm", "eps is {}; it must be positive", options.eps);
  const NoGrad no_grad;
  if (norm(layer_.weight.detach()).item() == 0)
    failf("SpectralNorm", "the weight {} is 0 and cannot be scaled to norm 1; initialise it before it is normalised",
          layer_.weight.shape());
  take(layer_, weight_orig, bias);
  const Tensor matrix = as_matrix(weight_orig.detach());
  weight_u = empty({matrix.size(0)}, {.dtype = matrix.dtype()});
  weight_v = empty({matrix.size(1)}, {.dtype = matrix.dtype()});
  init::normal_(weight_u);
  init::normal_(weight_v);
  iterate(15);
}

template <class Layer>
void SpectralNorm<Layer>::iterate(Index times) {
  const NoGrad no_grad;
  const Tensor matrix = as_matrix(weight_orig.detach());
  Tensor u = weight_u, v = weight_v;
  for (Index i = 0; i < times; ++i) {
    v = normalized(matmul(t(matrix), u), options_.eps);
    u = normalized(matmul(matrix, v), options_.eps);
  }
  weight_u.copy_(u);
  weight_v.copy_(v);
}

template <class Layer>
Tensor SpectralNorm<Layer>::sigma() const {
  // Copies: the next forward changes u and v in place, and the tape of this one is to stay valid.
  return dot(weight_u.detach().clone(), matmul(as_matrix(weight_orig), weight_v.detach().clone()));
}

template <class Layer>
Tensor SpectralNorm<Layer>::weight() const {
  return weight_orig / sigma();
}

template <class Layer>
Tensor SpectralNorm<Layer>::forward(const Tensor& x) {
  if (training()) iterate(options_.n_power_iterations);
  return forward_with(layer_, x, weight(), bias);
}

template <class Layer>
void SpectralNorm<Layer>::visit(Visitor& v) {
  v("weight_orig", weight_orig);
  v("bias", bias);
  v.buffer("weight_u", weight_u);
  v.buffer("weight_v", weight_v);
}

template class SpectralNorm<Linear>;
template class SpectralNorm<Conv1d>;
template class SpectralNorm<Conv2d>;

}  // namespace gradus::nn
