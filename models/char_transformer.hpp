#pragma once
#include <string>

#include "gradus/nn/embedding.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/transformer.hpp"

namespace gradus::models {

struct CharTransformerOptions {
  Index vocabulary = 256;             ///< the number of tokens; 256 are the bytes
  Index context = 128;                ///< the longest sequence
  Index width = 128;                  ///< of the vector at each place
  Index layers = 4;                   ///< the number of blocks
  Index heads = 4;                    ///< of attention in each block; divides the width
  Index hidden = 0;                   ///< of the feed-forward networks; 0: 4 width
  std::string feed_forward = "gelu";  ///< an activation's name, or "glu", "reglu", "geglu", "swiglu"
  double dropout = 0;                 ///< in the blocks, as nn::TransformerBlock has it
};

/// A Transformer that predicts each token from those before it (the decoder of Vaswani et al. 2017 without an encoder,
/// as in Radford et al., "Improving language understanding by generative pre-training", 2018), with the norms before
/// the parts of a block (Xiong et al. 2020):
///
///   token + place - causal blocks - LayerNorm - Linear
///
/// x: (N, length) int64 tokens, length at most `context` -> logits of the next token at each place, (N, length,
/// vocabulary). State: "tokens.weight", "places.weight", "blocks." as nn::TransformerEncoder has it, "head.weight",
/// "head.bias".
class CharTransformer : public nn::Module {
 public:
  using Options = CharTransformerOptions;
  nn::Embedding tokens;
  nn::PositionalEmbedding places;
  nn::TransformerEncoder blocks;
  nn::Linear head;

  explicit CharTransformer(const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(nn::Visitor& v) override;
  Index context() const { return places.weight.shape()[0]; }
  Index vocabulary() const { return tokens.weight.shape()[0]; }
};

/// The prompt and `length` tokens more, each drawn with probability softmax(logits / temperature) from what the model
/// says of the `context` tokens before it. Temperature 0 takes the likeliest token, the first one among equals. prompt:
/// (n) int64, n >= 1 -> (n + length). Draws from `generator` (default: the general stream), one number a token. The
/// model runs in eval mode and gets its mode back. Throws for a temperature that is negative or not finite, and when
/// logits are not numbers.
Tensor generate(CharTransformer& model, const Tensor& prompt, Index length, double temperature = 1,
                Generator* generator = nullptr);

}  // namespace gradus::models
