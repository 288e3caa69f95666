#include "gradus/nn/attention.hpp"

#include <cmath>
#include <limits>

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/linalg.hpp"
#include "gradus/ops/softmax.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {
namespace {

constexpr const char* layer = "MultiheadAttention";

Index checked_width(Index width, Index heads) {
  if (width < 1 || heads < 1 || width % heads != 0)
    failf(layer, "a width of {} cannot be shared by {} heads; the number of heads must divide the width", width, heads);
  return width;
}

void check_input(const char* name, const Tensor& x, Index width) {
  if (x.dim() != 3 || x.shape().back() != width)
    failf(layer, "{} has shape {}; it must be (N, length, width) with width {}", name, x.shape(), width);
}

struct Mask {
  Tensor hidden;  // 1 where a query must not see a key; broadcasts to (N, heads, length, keys)
  Tensor idle;    // 1 for queries that see nothing, which `hidden` spares: (N, 1, length, 1). None if there are none.
};

Mask make_mask(bool causal, const Tensor& padding, Index length, Index keys, DType dtype) {
  const Index batch = padding.defined() ? padding.shape()[0] : 1;
  const Tensor padded = padding.defined() ? (padding != 0.0).to(dtype) : zeros({batch, keys}, {.dtype = dtype});
  Mask mask{zeros({batch, 1, length, keys}, {.dtype = dtype}), zeros({batch, 1, length, 1}, {.dtype = dtype})};
  bool any_idle = false;
  dispatch_floating(layer, dtype, [&]<class T> {
    for (Index n = 0; n < batch; ++n) {
      const T* skip = padded.data<T>() + n * keys;
      for (Index i = 0; i < length; ++i) {
        T* row = mask.hidden.data<T>() + (n * length + i) * keys;
        bool sees = false;
        for (Index j = 0; j < keys; ++j) {
          row[j] = T((causal && j > i) || skip[j] != 0);
          sees = sees || row[j] == 0;
        }
        if (sees) continue;
        for (Index j = 0; j < keys; ++j) row[j] = 0;
        mask.idle.data<T>()[n * length + i] = 1;
        any_idle = true;
      }
    }
  });
  if (!any_idle) mask.idle = Tensor{};
  return mask;
}

}  // namespace

MultiheadAttention::MultiheadAttention(Index width, Index heads, const Options& options)
    : out_proj(checked_width(width, heads), width, {.bias = options.bias}),
      dropout(options.dropout),
      width_(width),
      heads_(heads),
      causal_(options.causal) {
  in_proj_weight = empty({3 * width, width});
  init::xavier_uniform_(in_proj_weight);
  in_proj_weight.requires_grad_();
  if (options.bias) {
    in_proj_bias = zeros({3 * width}, {.requires_grad = true});
    init::zeros_(out_proj.bias);
  }
}

// Queries (part 0), keys (1) or values (2) of each head: (N, heads, length, width / heads).
Tensor MultiheadAttention::project(const Tensor& x, Index part) const {
  const Tensor weight = in_proj_weight.slice(0, part * width_, (part + 1) * width_);
  const Tensor bias = in_proj_bias.defined() ? in_proj_bias.slice(0, part * width_, (part + 1) * width_) : Tensor{};
  return functional::linear(x, weight, bias).reshape({x.size(0), x.size(1), heads_, width_ / heads_}).transpose(1, 2);
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const AttentionMask& mask) {
  check_input("query", query, width_);
  check_input("key", key, width_);
  check_input("value", value, width_);
  const Index batch = query.size(0), length = query.size(1), keys = key.size(1);
  if (key.size(0) != batch || value.shape() != key.shape())
    failf(layer, "query {}, key {} and value {} do not fit: one batch size for all, one length for key and value",
          query.shape(), key.shape(), value.shape());
  if (causal_ && length != keys)
    failf(layer, "causal attention of {} queries to {} keys: the lengths must be equal", length, keys);
  if (mask.key_padding_mask.defined() && mask.key_padding_mask.shape() != Shape{batch, keys})
    failf(layer, "key_padding_mask has shape {}; keys of shape {} need (N, key length) = {}",
          mask.key_padding_mask.shape(), key.shape(), Shape{batch, keys});

  const bool one_source = query.impl() == key.impl() && key.impl() == value.impl();
  if (one_source && !mask.key_padding_mask.defined() && !(dropout.training() && dropout.p() > 0))
    return out_proj(functional::self_attention(functional::linear(query, in_proj_weight, in_proj_bias), heads_,
                                               {.causal = causal_}));

  const Tensor q = project(query, 0) * (1 / std::sqrt(double(width_ / heads_))), k = project(key, 1),
               v = project(value, 2);
  Tensor weights = matmul(q, k, {.transpose_b = true});
  if (causal_ || mask.key_padding_mask.defined()) {
    const Mask m = make_mask(causal_, mask.key_padding_mask, length, keys, query.dtype());
    weights = softmax(masked_fill(weights, m.hidden, -std::numeric_limits<double>::infinity()), -1);
    if (m.idle.defined()) weights = masked_fill(weights, m.idle, 0);
  } else {
    weights = softmax(weights, -1);
  }
  return out_proj(matmul(dropout(weights), v).transpose(1, 2).reshape({batch, length, width_}));
}

void MultiheadAttention::visit(Visitor& v) {
  v("in_proj_weight", in_proj_weight);
  v("in_proj_bias", in_proj_bias);
  v("dropout", dropout);
  v("out_proj", out_proj);
}

}  // namespace gradus::nn
