#pragma once
// Recurrent layers: one map, applied at each time step to the input and to its own last result.
//
//   nn::LSTM lstm{28, 64, {.num_layers = 2}};
//   Tensor y = lstm(x);                              // x (T, N, 28) -> (T, N, 64)
//   auto [output, h_n, c_n] = lstm.run(x, {h, c});   // goes on where another sequence ended
//
// Names of parameters, order of the gates, formulas and initialisation are PyTorch's: all weights and biases start
// uniform in
// [-1/sqrt(hidden), 1/sqrt(hidden)]. The input's half, W_ih x + b, is one product for all time steps; only the
// recurrent one is left to the loop. The tape holds a number of arrays (N, hidden) per time step. A layer of an RNN is
// a single operation, unless somebody observes its steps: two arrays per time step.
#include <functional>
#include <string>
#include <vector>

#include "gradus/nn/activation.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/module.hpp"

namespace gradus::nn {

/// How the recurrent weights W_hh start. For a layer with gates each gate's square matrix is meant.
enum class RecurrentInit {
  pytorch,     ///< uniform, as all the others
  orthogonal,  ///< all singular values 1: back through time the product of many neither grows nor fades (Saxe et al.
               ///< 2014)
  identity,    ///< for relu (Le, Jaitly, Hinton, "A simple way to initialize recurrent networks of rectified linear
               ///< units", 2015)
};

/// What one layer, or a cell, is made of. hidden is the width of the state, gates is 1 for RNN, 3 for GRU, 4 for LSTM.
struct RecurrentParameters {
  Tensor weight_ih;  ///< (gates hidden, in)
  Tensor weight_hh;  ///< (gates hidden, hidden)
  Tensor bias_ih;    ///< (gates hidden), or none
  Tensor bias_hh;    ///< the same; PyTorch has both
};

/// The state of an LSTM: its output h and the memory c, both (N, hidden) for a cell, (layers, N, hidden) for a stack of
/// layers. An undefined tensor means zeros.
struct LSTMState {
  Tensor h = {}, c = {};
};

// -- one time step

struct RNNCellOptions {
  std::string activation = "tanh";  ///< any that nn::activation knows; PyTorch's "nonlinearity"
  bool bias = true;
  RecurrentInit recurrent_init = RecurrentInit::pytorch;
};
struct GRUCellOptions {
  bool bias = true;
  RecurrentInit recurrent_init = RecurrentInit::pytorch;
};
using LSTMCellOptions = GRUCellOptions;

/// h' = f(W_ih x + b_ih + W_hh h + b_hh) (Elman, "Finding structure in time", 1990). x (N, in), h (N, hidden) -> (N,
/// hidden). Parameters "weight_ih", "weight_hh", "bias_ih", "bias_hh".
class RNNCell : public Module {
 public:
  using Options = RNNCellOptions;
  RecurrentParameters weights;
  Activation activation;

  RNNCell(Index input_size, Index hidden_size, const Options& options = {});
  Tensor forward(const Tensor& x) override { return forward(x, Tensor{}); }
  Tensor forward(const Tensor& x, const Tensor& h);
  using Module::operator();
  Tensor operator()(const Tensor& x, const Tensor& h) {
    return observed([&] { return forward(x, h); }, x, h);
  }
  void visit(Visitor& v) override;
};

/// r = sigmoid(W_ir x + b_ir + W_hr h + b_hr),  z = sigmoid(W_iz x + b_iz + W_hz h + b_hz),
/// n = tanh(W_in x + b_in + r (W_hn h + b_hn)),  h' = (1 - z) n + z h (Cho et al. 2014; with r after the product, as in
/// PyTorch). The weights hold r, z and n one below the other. Shapes and names as for RNNCell.
class GRUCell : public Module {
 public:
  using Options = GRUCellOptions;
  RecurrentParameters weights;

  GRUCell(Index input_size, Index hidden_size, const Options& options = {});
  Tensor forward(const Tensor& x) override { return forward(x, Tensor{}); }
  Tensor forward(const Tensor& x, const Tensor& h);
  using Module::operator();
  Tensor operator()(const Tensor& x, const Tensor& h) {
    return observed([&] { return forward(x, h); }, x, h);
  }
  void visit(Visitor& v) override;
};

/// i, f, o = sigmoid(W_i. x + b_i. + W_h. h + b_h.),  g = tanh(W_ig x + b_ig + W_hg h + b_hg),
/// c' = f c + i g,  h' = o tanh(c') (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000). The
/// weights hold i, f, g and o one below the other. Shapes and names as for RNNCell.
class LSTMCell : public Module {
 public:
  using Options = LSTMCellOptions;
  RecurrentParameters weights;

  LSTMCell(Index input_size, Index hidden_size, const Options& options = {});
  /// h' alone, from a state of zeros.
  Tensor forward(const Tensor& x) override { return forward(x, LSTMState{}).h; }
  LSTMState forward(const Tensor& x, const LSTMState& state);
  using Module::operator();
  LSTMState operator()(const Tensor& x, const LSTMState& state) { return forward(x, state); }
  void visit(Visitor& v) override;
};

// -- sequences

struct RecurrentOptions {
  Index num_layers = 1;
  bool bias = true;
  bool batch_first = false;  ///< x and output (N, T, ...); states are (layers, N, hidden) in any case
  double dropout = 0.0;      ///< of each layer's output but the last one's, in training
  bool bidirectional = false;  ///< each layer reads the sequence from its end as well; features are twice as many
  RecurrentInit recurrent_init = RecurrentInit::pytorch;
};
struct RNNOptions {
  std::string activation = "tanh";  ///< any that nn::activation knows; PyTorch's "nonlinearity"
  Index num_layers = 1;
  bool bias = true;
  bool batch_first = false;
  double dropout = 0.0;
  bool bidirectional = false;
  RecurrentInit recurrent_init = RecurrentInit::pytorch;
};

/// What RNN, GRU and LSTM have in common. Parameters "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0",
/// "weight_ih_l1", ... With `bidirectional` each layer has a second set, "weight_ih_l0_reverse", ..., that reads the
/// sequence from its end (Schuster and Paliwal, "Bidirectional recurrent neural networks", 1997); its output at a time
/// step stands behind that of the first, and both are the next layer's input. States are those of layer 0, layer 0 in
/// reverse, layer 1, ..., so "layers" in their shapes counts both.
class RecurrentLayers : public Module {
 public:
  std::vector<RecurrentParameters> layers;  ///< in the order of the states
  Dropout dropout;

  void visit(Visitor& v) override;
  bool batch_first() const { return batch_first_; }

 protected:
  RecurrentLayers(const char* name, Index gates, Index input_size, Index hidden_size, const RecurrentOptions& options);

  /// The state a sequence starts from, in its layers; zeros if undefined. Checks x, too.
  std::vector<Tensor> initial(const char* what, const Tensor& state, const Tensor& x) const;
  /// step(layer, the input's half at one time step) gives the next h and keeps the state.
  using Step = std::function<Tensor(std::size_t layer, const Tensor& projected)>;
  /// All time steps of a layer at once, from an input (T, N, in) that it reads from the end if `reversed`: h at all of
  /// them, (T, N, hidden); undefined where it does not apply. Keeps the state.
  using Sequence = std::function<Tensor(std::size_t layer, const Tensor& input, bool reversed)>;
  /// All layers, over all time steps, by `sequence` where there is one and it applies. The recurrent bias is part of
  /// the input's half if `adds_both`.
  Tensor run_layers(const Tensor& x, bool adds_both, const Step& step, const Sequence& sequence = {});

 private:
  const char* name_;  // for messages
  Index input_size_, hidden_size_;
  bool batch_first_;
  std::size_t directions_;
};

struct RecurrentResult {
  Tensor output;  ///< h of the last layer at each time step: (T, N, hidden), or (N, T, hidden) with batch_first;
                  ///< (..., 2 hidden) with bidirectional
  Tensor h_n;     ///< h of each layer after the last time step: (layers, N, hidden)
};
struct LSTMResult {
  Tensor output, h_n, c_n;
};

/// Layers of RNNCell over a sequence x (T, N, in), or (N, T, in) with batch_first. T = 0 gives back the state. Throws
/// for a sequence without the axis of the batch.
class RNN : public RecurrentLayers {
 public:
  using Options = RNNOptions;
  Activation activation;

  RNN(Index input_size, Index hidden_size, const Options& options = {});
  Tensor forward(const Tensor& x) override { return run(x).output; }
  /// From h_0 (layers, N, hidden), zeros when it is left out.
  RecurrentResult run(const Tensor& x, const Tensor& h_0 = {});
  void visit(Visitor& v) override;
};

/// Layers of GRUCell over a sequence; as RNN.
class GRU : public RecurrentLayers {
 public:
  using Options = RecurrentOptions;
  GRU(Index input_size, Index hidden_size, const Options& options = {});
  Tensor forward(const Tensor& x) override { return run(x).output; }
  RecurrentResult run(const Tensor& x, const Tensor& h_0 = {});
};

/// Layers of LSTMCell over a sequence; as RNN.
class LSTM : public RecurrentLayers {
 public:
  using Options = RecurrentOptions;
  LSTM(Index input_size, Index hidden_size, const Options& options = {});
  Tensor forward(const Tensor& x) override { return run(x).output; }
  LSTMResult run(const Tensor& x, const LSTMState& state = {});
};

}  // namespace gradus::nn
