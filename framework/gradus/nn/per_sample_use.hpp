#pragma once
// For source files only: what a sample's gradient is at one place where a weight is used.
#include <optional>

#include "gradus/nn/conv.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus::autograd::detail {

/// What a weight does.
enum class Role {
  linear_weight,
  linear_bias,
  conv_weight,
  channel_bias,
  row_scale,
  row_shift,
  elementwise,  ///< a summand or a factor, broadcast
  embedding
};

/// One use of a weight: a layer's input x, its output y, on the tape. For factors, x is what they multiply; for
/// summands it is undefined.
struct Use {
  std::size_t weight;
  Role role;
  Tensor x, y;
  nn::Conv2dLayerOptions conv = {};
  bool transposed = false;  ///< of a convolution: it leads from y to x
  bool time_first = false;  ///< x and y are (T, N, ...)
  std::optional<Index> padding_idx = {};
};

Shape with_samples(Index n, const Shape& shape);

/// x (N, places..., width) as (N, places, width)
Tensor as_places(const Tensor& x);

/// The gradients (n, shape...) of a weight of that shape, from the gradient g of use.y, for n samples of which the
/// first is number `first` of the batch.
Tensor materialise(const Use& use, const Shape& shape, const Tensor& g, Index first = 0);

/// Adds the squares of each row (n, ...) to norms.
void add_squared_rows(const Tensor& gradients, double* norms);

/// Adds the squared norms of what materialise() gives, without making it where that is smaller.
void add_squared_norms(const Use& use, const Shape& shape, const Tensor& g, double* norms);

}  // namespace gradus::autograd::detail
