// The layers of the Transformer against PyTorch's, which wrote transformer.inc (tests/parity/transformer.py).
#include <functional>
#include <string>

#include "gradus/nn/embedding.hpp"
#include "gradus/nn/transformer.hpp"
#include "parity/modules.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

const std::vector<ModuleRow> rows{
#include "nn/transformer.inc"
};

using Inputs = std::vector<Tensor>;

template <class M>
ModuleRow measure(const std::string& name, M module, const std::vector<Shape>& shapes,
                  const std::function<Tensor(M&, const Inputs&)>& f) {
  return measure_module(name, module, shapes, [&](M& m, const Inputs& in) { return Inputs{f(m, in)}; });
}

std::vector<ModuleRow> measured() {
  using nn::Embedding, nn::MultiheadAttention, nn::TransformerBlock;
  std::vector<ModuleRow> all;
  std::vector<std::int64_t> values(20);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = (3 * std::int64_t(i) + 1) % 7;
  const Tensor tokens = from_vector(values, {4, 5});
  const auto look_up = [&](Embedding& m, const Inputs&) { return m(tokens); };
  all.push_back(measure<Embedding>("embedding", {7, 3}, {}, look_up));
  all.push_back(measure<Embedding>("embedding with padding", {7, 3, {.padding_idx = -5}}, {}, look_up));

  const Tensor padding = tensor({{0, 0, 0, 1, 1}, {0, 1, 0, 0, 0}, {0, 0, 0, 0, 0}});
  const Shape shape{3, 5, 8};
  using Attend = std::function<Tensor(MultiheadAttention&, const Inputs&)>;
  const Attend plain = [](MultiheadAttention& m, const Inputs& in) { return m(in[0]); };
  const Attend padded = [&](MultiheadAttention& m, const Inputs& in) {
    return m(in[0], {.key_padding_mask = padding});
  };
  const Attend crossed = [&](MultiheadAttention& m, const Inputs& in) {
    return m(in[0], in[1], in[2], {.key_padding_mask = padding});
  };
  all.push_back(measure<MultiheadAttention>("attention", {8, 2}, {shape}, plain));
  all.push_back(measure<MultiheadAttention>("attention without bias", {8, 4, {.bias = false}}, {shape}, plain));
  all.push_back(measure<MultiheadAttention>("attention causal", {8, 2, {.causal = true}}, {shape}, plain));
  all.push_back(measure<MultiheadAttention>("attention with padding", {8, 8}, {shape}, padded));
  all.push_back(
      measure<MultiheadAttention>("attention causal with padding", {8, 1, {.causal = true}}, {shape}, padded));
  all.push_back(measure<MultiheadAttention>("attention to others", {8, 2}, {{3, 4, 8}, shape, shape}, crossed));

  for (const bool first : {true, false}) {
    const std::string name = std::string("block, norm ") + (first ? "first" : "last");
    const auto options = [&](bool causal, const char* activation) {
      return nn::TransformerBlockOptions{
          .hidden = 12, .feed_forward = activation, .causal = causal, .norm_first = first, .layer_norm_eps = 1e-4};
    };
    using Run = std::function<Tensor(TransformerBlock&, const Inputs&)>;
    const Run run = [](TransformerBlock& m, const Inputs& in) { return m(in[0]); };
    const Run run_padded = [&](TransformerBlock& m, const Inputs& in) {
      return m(in[0], {.key_padding_mask = padding});
    };
    all.push_back(measure<TransformerBlock>(name, {8, 2, options(false, "gelu")}, {shape}, run));
    all.push_back(measure<TransformerBlock>(name + ", causal, relu", {8, 2, options(true, "relu")}, {shape}, run));
    all.push_back(
        measure<TransformerBlock>(name + ", with padding", {8, 2, options(false, "gelu")}, {shape}, run_padded));
  }
  for (const bool first : {true, false}) {
    const std::string name = std::string("norm ") + (first ? "first" : "last");
    all.push_back(measure<nn::TransformerEncoder>(
        "encoder, " + name, {8, 2, 2, {.hidden = 12, .causal = true, .norm_first = first, .layer_norm_eps = 1e-4}},
        {shape}, [&](nn::TransformerEncoder& m, const Inputs& in) { return m(in[0], {.key_padding_mask = padding}); }));
    all.push_back(measure<nn::TransformerDecoder>(
        "decoder, " + name, {8, 2, 2, {.hidden = 12, .norm_first = first, .layer_norm_eps = 1e-4}}, {{3, 4, 8}, shape},
        [&](nn::TransformerDecoder& m, const Inputs& in) {
          return m(in[0], in[1], {.memory_key_padding_mask = padding});
        }));
  }
  return all;
}

}  // namespace

TEST_CASE("the layers of the Transformer, their names and gradients are PyTorch's, to ten digits") {
  check_rows(measured(), rows);
}
