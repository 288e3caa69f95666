// The layers of the Transformer against PyTorch's, which wrote transformer.inc (tests/parity/transformer.py).
#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "gradus/nn/embedding.hpp"
#include "gradus/nn/transformer.hpp"
#include "nn/sketch.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

struct Row {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<double> numbers;
};

const std::vector<Row> rows{
#include "nn/transformer.inc"
};

using Inputs = std::vector<Tensor>;

// Names of parameters and sketches, as the rows have them.
template <class M>
Row measure(const std::string& name, M module, const std::vector<Shape>& shapes,
            const std::function<Tensor(M&, const Inputs&)>& f) {
  Row row{name, {}, {}};
  module.to(float64);
  NamedTensors parameters = module.named_parameters();
  std::sort(parameters.begin(), parameters.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Inputs inputs, wanted;
  for (std::size_t k = 0; k < shapes.size(); ++k) inputs.push_back(waves(40 + int(k), shapes[k], 1.5).requires_grad_());
  wanted = inputs;
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    row.parameters.push_back(parameters[k].first);
    parameters[k].second.set_data(waves(int(k), parameters[k].second.shape(), 0.4));
    wanted.push_back(parameters[k].second);
  }
  const Tensor y = f(module, inputs);
  sketch(y, row.numbers);
  for (const Tensor& g : grad(y, wanted, {.grad_output = upstream(y.shape())})) sketch(g, row.numbers);
  return row;
}

std::vector<Row> measured() {
  using nn::Embedding, nn::MultiheadAttention, nn::TransformerBlock;
  std::vector<Row> all;
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
  const std::vector<Row> received = measured();
  REQUIRE(received.size() == rows.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    CAPTURE(rows[r].name);
    CHECK(received[r].name == rows[r].name);
    CHECK(received[r].parameters == rows[r].parameters);
    REQUIRE(received[r].numbers.size() == rows[r].numbers.size());
    for (std::size_t i = 0; i < rows[r].numbers.size(); ++i) {
      CAPTURE(i);
      CHECK(std::abs(received[r].numbers[i] - rows[r].numbers[i]) <= 1e-10 * (1 + std::abs(rows[r].numbers[i])));
    }
  }
}
