#include "gradus/nn/embedding.hpp"

#include <algorithm>
#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/index.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {
namespace {

// The vectors for the places of x, from a table with one for each place.
Tensor first_rows(const char* layer, const Tensor& x, const Tensor& table) {
  const Index places = table.shape()[0], width = table.shape()[1];
  if (x.dim() < 2 || x.shape().back() != width)
    failf(layer, "the input has shape {}; it must be (..., length, width) with width {}", x.shape(), width);
  const Index length = x.size(-2);
  if (length > places)
    failf(layer, "the input of shape {} has length {}, but there are vectors for {} places only", x.shape(), length,
          places);
  return length == places ? table : table.slice(0, 0, length);
}

void check_sizes(const char* layer, Index max_length, Index width) {
  if (max_length < 1 || width < 1) failf(layer, "{} places of width {}; both must be at least 1", max_length, width);
}

}  // namespace

Embedding::Embedding(Index num_embeddings, Index embedding_dim, const Options& options)
    : padding_idx_(options.padding_idx) {
  if (num_embeddings < 1 || embedding_dim < 1)
    failf("Embedding", "{} vectors of dimension {}; both must be at least 1", num_embeddings, embedding_dim);
  if (padding_idx_ && (*padding_idx_ < -num_embeddings || *padding_idx_ >= num_embeddings))
    failf("Embedding", "padding_idx is {}; a vocabulary of {} needs one from {} to {}", *padding_idx_, num_embeddings,
          -num_embeddings, num_embeddings - 1);
  if (padding_idx_ && *padding_idx_ < 0) *padding_idx_ += num_embeddings;
  weight = empty({num_embeddings, embedding_dim});
  init::normal_(weight);
  if (padding_idx_) {
    float* row = weight.data<float>() + *padding_idx_ * embedding_dim;
    std::fill(row, row + embedding_dim, 0.0f);
  }
  weight.requires_grad_();
}

Tensor Embedding::forward(const Tensor& tokens) {
  const Index vocabulary = weight.shape()[0];
  if (tokens.dtype() != int64)
    failf("Embedding", "the tokens are {} {}; they must be int64, numbers of rows of the weight", tokens.dtype(),
          tokens.shape());
  const std::int64_t* values = tokens.data<std::int64_t>();
  for (Index i = 0; i < tokens.numel(); ++i)
    if (values[i] < 0 || values[i] >= vocabulary)
      failf("Embedding", "token {} is out of range: a vocabulary of {} has the tokens 0 to {}", values[i], vocabulary,
            vocabulary - 1);
  Shape shape = tokens.shape();
  shape.push_back(weight.shape()[1]);
  Tensor vectors = index_select(weight, 0, tokens.reshape({tokens.numel()})).reshape(shape);
  // The vector of the padding token is looked up off the tape, so that it gets no gradient.
  if (padding_idx_) vectors = where((tokens == double(*padding_idx_)).unsqueeze(-1), vectors.detach(), vectors);
  return vectors;
}

PositionalEmbedding::PositionalEmbedding(Index max_length, Index width) {
  check_sizes("PositionalEmbedding", max_length, width);
  weight = empty({max_length, width});
  init::normal_(weight);
  weight.requires_grad_();
}

Tensor PositionalEmbedding::forward(const Tensor& x) { return x + first_rows("PositionalEmbedding", x, weight); }

SinusoidalPositions::SinusoidalPositions(Index max_length, Index width) {
  check_sizes("SinusoidalPositions", max_length, width);
  table_ = empty({max_length, width}, {.dtype = float64});
  double* out = table_.data<double>();
  for (Index j = 0; j < width; ++j) {
    const double wavelength = std::pow(1e4, double(j - j % 2) / double(width));
    for (Index p = 0; p < max_length; ++p)
      out[p * width + j] = j % 2 == 0 ? std::sin(double(p) / wavelength) : std::cos(double(p) / wavelength);
  }
}

Tensor SinusoidalPositions::forward(const Tensor& x) {
  check_floating("SinusoidalPositions", x);
  return x + first_rows("SinusoidalPositions", x, table_).to(x.dtype());
}

}  // namespace gradus::nn
