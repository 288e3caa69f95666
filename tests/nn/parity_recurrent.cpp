// Recurrent layers against PyTorch's, which wrote recurrent.inc (tests/parity/recurrent.py).
#include <string>

#include "gradus/nn/recurrent.hpp"
#include "parity/modules.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

const std::vector<ModuleRow> rows{
#include "nn/recurrent.inc"
};

using Tensors = std::vector<Tensor>;

Tensors results_of(nn::RNNCell& m, const Tensors& in) { return {in.size() == 1 ? m(in[0]) : m(in[0], in[1])}; }
Tensors results_of(nn::GRUCell& m, const Tensors& in) { return {in.size() == 1 ? m(in[0]) : m(in[0], in[1])}; }
Tensors results_of(nn::LSTMCell& m, const Tensors& in) {
  const auto [h, c] = m(in[0], in.size() == 1 ? nn::LSTMState{} : nn::LSTMState{in[1], in[2]});
  return {h, c};
}
Tensors results_of(nn::LSTM& m, const Tensors& in) {
  const auto [output, h, c] = m.run(in[0], in.size() == 1 ? nn::LSTMState{} : nn::LSTMState{in[1], in[2]});
  return {output, h, c};
}
template <class M>
Tensors results_of(M& m, const Tensors& in) {
  const auto [output, h] = in.size() == 1 ? m.run(in[0]) : m.run(in[0], in[1]);
  return {output, h};
}

template <class M>
ModuleRow measure(const std::string& name, M module, const std::vector<Shape>& shapes) {
  return measure_module(name, module, shapes, [](M& m, const Tensors& in) { return results_of(m, in); });
}

template <class Layers, class Cell, class LayerOptions, class CellOptions>
void measure_kind(std::vector<ModuleRow>& all, const std::string& name, LayerOptions options, CellOptions cell_options,
                  std::size_t states) {
  const auto shapes = [&](const Shape& x, const Shape& state) {
    std::vector<Shape> list{x};
    list.resize(1 + states, state);
    return list;
  };
  for (const bool bias : {true, false}) {
    cell_options.bias = bias;
    all.push_back(
        measure(name + " cell" + (bias ? "" : ", no bias"), Cell{4, 5, cell_options}, shapes({3, 4}, {3, 5})));
  }
  cell_options.bias = true;
  all.push_back(measure(name + " cell from zeros", Cell{4, 5, cell_options}, {{3, 4}}));
  for (const Index depth : {1, 2})
    for (const bool batch_first : {false, true})
      for (const Index length : {1, 7}) {
        options.num_layers = depth;
        options.batch_first = batch_first;
        all.push_back(measure(name + ", " + std::to_string(depth) + " layers, length " + std::to_string(length) +
                                  (batch_first ? ", batch first" : ""),
                              Layers{4, 5, options},
                              shapes(batch_first ? Shape{3, length, 4} : Shape{length, 3, 4}, {depth, 3, 5})));
      }
  options.batch_first = options.bias = false;
  all.push_back(measure(name + " from zeros, one sample, no bias", Layers{4, 5, options}, {{6, 1, 4}}));
  options.bidirectional = options.bias = true;
  for (const auto& [depth, batch_first] : {std::pair<Index, bool>{1, false}, {2, false}, {2, true}}) {
    options.num_layers = depth;
    options.batch_first = batch_first;
    all.push_back(
        measure(name + ", both ways, " + std::to_string(depth) + " layers" + (batch_first ? ", batch first" : ""),
                Layers{4, 5, options}, shapes(batch_first ? Shape{3, 6, 4} : Shape{6, 3, 4}, {2 * depth, 3, 5})));
  }
  options.batch_first = options.bias = false;
  all.push_back(measure(name + " from zeros, both ways, no bias", Layers{4, 5, options}, {{6, 1, 4}}));
}

}  // namespace

TEST_CASE("recurrent layers and cells, their names and gradients are PyTorch's, to ten digits") {
  std::vector<ModuleRow> received;
  for (const char* activation : {"tanh", "relu"})
    measure_kind<nn::RNN, nn::RNNCell>(received, activation, nn::RNNOptions{.activation = activation},
                                       nn::RNNCellOptions{.activation = activation}, 1);
  measure_kind<nn::GRU, nn::GRUCell>(received, "gru", nn::RecurrentOptions{}, nn::GRUCellOptions{}, 1);
  measure_kind<nn::LSTM, nn::LSTMCell>(received, "lstm", nn::RecurrentOptions{}, nn::LSTMCellOptions{}, 2);
  check_rows(received, rows);
}
