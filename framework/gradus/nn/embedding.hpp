#pragma once
#include <optional>

#include "gradus/nn/module.hpp"

namespace gradus::nn {

struct EmbeddingOptions {
  std::optional<Index> padding_idx =
      {};  ///< a token whose vector starts at 0 and is not trained; negative: from the end
};

/// A learned vector for each token. x (...) int64 -> (..., dim).   Parameter: "weight" (num_embeddings, dim), from N(0,
/// 1). Throws, naming token and vocabulary, when a token is not in [0, num_embeddings).
class Embedding : public Module {
 public:
  using Options = EmbeddingOptions;
  Tensor weight;

  Embedding(Index num_embeddings, Index embedding_dim, const Options& options = {});
  Tensor forward(const Tensor& tokens) override;
  void visit(Visitor& v) override { v("weight", weight); }
  const std::optional<Index>& padding_idx() const { return padding_idx_; }

 private:
  std::optional<Index> padding_idx_;
};

/// x plus a learned vector for each place: x (..., length, width) -> the same.   Parameter: "weight" (max_length,
/// width), from N(0, 1) as the vectors of Embedding, so that tokens and places start with equal weight. Throws when
/// length is above max_length.
class PositionalEmbedding : public Module {
 public:
  Tensor weight;

  PositionalEmbedding(Index max_length, Index width);
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override { v("weight", weight); }
};

/// x plus fixed waves: x (..., length, width) -> the same. Place p adds sin(p / 10000^(2i / width)) to feature 2i and
/// the cosine of the same angle to feature 2i + 1 (Vaswani et al. 2017, "Attention is all you need", section 3.5). It
/// has no state. Throws when length is above max_length.
class SinusoidalPositions : public Module {
 public:
  SinusoidalPositions(Index max_length, Index width);
  Tensor forward(const Tensor& x) override;
  /// The vectors of all places, float64: (max_length, width).
  const Tensor& table() const { return table_; }

 private:
  Tensor table_;
};

}  // namespace gradus::nn
