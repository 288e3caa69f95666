#include <cmath>
#include <limits>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/attention.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/linalg.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/ops/softmax.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn::functional {

using autograd::Grads;
using autograd::is_recording;
using autograd::record;
using autograd::saves;

namespace {

// 1 where place i must not see place j: (length, length).
Tensor later_places(Index length, DType dtype) {
  const Tensor place = arange(length, {.dtype = dtype});
  return (place.reshape({1, length}) > place.reshape({length, 1})).to(dtype);
}

}  // namespace

Tensor self_attention(const Tensor& qkv, Index heads, const SelfAttentionOptions& options) {
  check_floating("self_attention", qkv);
  if (qkv.dim() != 3 || heads < 1 || qkv.shape()[2] % (3 * heads) != 0)
    failf("self_attention",
          "queries, keys and values of shape {} with {} heads; they must be (N, length, 3 width), side by side, and "
          "the heads share the "
          "width equally",
          qkv.shape(), heads);
  const Index batch = qkv.shape()[0], length = qkv.shape()[1], width = qkv.shape()[2] / 3;
  const kernels::SelfAttention s{batch, length, heads, width / heads, options.causal};
  const double scale = s.width == 0 ? 1.0 : 1 / std::sqrt(double(s.width));
  Tensor value = Tensor::make("self_attention", {batch, length, width}, qkv.dtype());
  const Tensor sums = Tensor::make("self_attention", {batch, heads, length, 2}, qkv.dtype());
  dispatch_floating("self_attention", qkv.dtype(), [&]<class T> {
    kernels::self_attention(s, T(scale), qkv.data<T>(), value.data<T>(), sums.data<T>());
  });
  return record(
      "self_attention", std::move(value), {qkv}, saves(qkv, sums),
      [s, scale](const Tensor& g, const Tensor& x, const Tensor& saved_sums) {
        if (!is_recording()) {
          const Tensor dx = Tensor::make("self_attention", x.shape(), x.dtype());
          dispatch_floating("self_attention", x.dtype(), [&]<class T> {
            kernels::self_attention_backward(s, T(scale), x.data<T>(), saved_sums.data<T>(), g.data<T>(), dx.data<T>());
          });
          return Grads{dx};
        }
        // (part, N, heads, length, width) and (N, heads, length, width)
        const Tensor parts = permute(reshape(x, {s.batch, s.length, 3, s.heads, s.width}), {2, 0, 3, 1, 4});
        const Tensor q = parts[0], k = parts[1], v = parts[2];
        const Tensor up = permute(reshape(g, {s.batch, s.length, s.heads, s.width}), {0, 2, 1, 3});
        Tensor scores = matmul(q, k, {.transpose_b = true}) * scale;
        if (s.causal)
          scores = masked_fill(scores, later_places(s.length, x.dtype()), -std::numeric_limits<double>::infinity());
        const Tensor p = softmax(scores, -1);
        const Tensor slopes = matmul(up, v, {.transpose_b = true});
        const Tensor h = p * (slopes - sum(p * slopes, {.axes = {-1}, .keepdim = true})) * scale;
        const Tensor all =
            stack({matmul(h, k), matmul(h, q, {.transpose_a = true}), matmul(p, up, {.transpose_a = true})});
        return Grads{reshape(permute(all, {1, 3, 0, 2, 4}), x.shape())};
      });
}

}  // namespace gradus::nn::functional
