#pragma once
// Attention of sequences to themselves, a head at a time. T is float or double.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// Queries, keys and values side by side, as one linear map makes them: qkv is (batch, length, 3, heads, width), and
/// the result (batch, length, heads, width).
struct SelfAttention {
  Index batch, length, heads, width;
  bool causal;  ///< place i sees the places up to i only
};

/// y = softmax(scale q k^T) v for each head. sums (batch, heads, length, 2) gets, for each query, its largest q k^T and
/// 1 over the sum of the exponentials beside it. Memory for a strip of the scores per thread, not for all of them; what
/// a causal strip does not see is not computed.
template <class T>
void self_attention(const SelfAttention& s, T scale, const T* qkv, T* y, T* sums);

/// From the gradient g of y that of qkv: with the weights p, which are computed again, and h = p (g v^T - their mean
/// under p), dv = p^T g, dq = scale h k, dk = scale h^T q.
template <class T>
void self_attention_backward(const SelfAttention& s, T scale, const T* qkv, const T* sums, const T* g, T* dqkv);

}  // namespace gradus::kernels
