#include "gradus/nn/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/recurrent.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/product_gradient.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {
namespace {

void start_recurrent(Tensor& weight, Index hidden, RecurrentInit kind) {
  std::vector<Tensor> gates;
  for (Index gate = 0; gate < weight.size(0) / hidden; ++gate) {
    gates.push_back(empty({hidden, hidden}));
    if (kind == RecurrentInit::orthogonal)
      init::orthogonal_(gates.back());
    else
      init::eye_(gates.back());
  }
  weight.copy_(cat(gates));
}

RecurrentParameters make_parameters(const char* name, Index gates, Index in, Index hidden, bool bias,
                                    RecurrentInit recurrent_init) {
  if (in < 1 || hidden < 1) failf(name, "{} features in, a state of {}; both must be at least 1", in, hidden);
  const double bound = 1 / std::sqrt(double(hidden));
  const auto uniform = [&](const Shape& shape) {
    Tensor parameter = empty(shape);
    init::uniform_(parameter, -bound, bound);
    return parameter;
  };
  RecurrentParameters p{uniform({gates * hidden, in}), uniform({gates * hidden, hidden}), {}, {}};
  if (bias) p.bias_ih = uniform({gates * hidden}), p.bias_hh = uniform({gates * hidden});
  if (recurrent_init != RecurrentInit::pytorch) start_recurrent(p.weight_hh, hidden, recurrent_init);
  for (Tensor* parameter : {&p.weight_ih, &p.weight_hh, &p.bias_ih, &p.bias_hh})
    if (parameter->defined()) parameter->requires_grad_();
  return p;
}

void visit_parameters(Visitor& v, RecurrentParameters& p, const std::string& suffix) {
  v("weight_ih" + suffix, p.weight_ih);
  v("weight_hh" + suffix, p.weight_hh);
  v("bias_ih" + suffix, p.bias_ih);
  v("bias_hh" + suffix, p.bias_hh);
}

// W_ih x + b_ih, and b_hh where it is but another term of the same sum.
Tensor project(const Tensor& x, const RecurrentParameters& p, bool adds_both) {
  return functional::linear(x, p.weight_ih, adds_both && p.bias_ih.defined() ? p.bias_ih + p.bias_hh : p.bias_ih);
}

Tensor recur(const Tensor& h, const RecurrentParameters& p) { return functional::linear(h, p.weight_hh, {}); }

Tensor elman_step(const Tensor& projected, const Tensor& h, const RecurrentParameters& p, Activation& activation) {
  return activation(projected + recur(h, p));
}

// Whether each step, and each call of the activation, is to be seen.
bool observed() {
  return autograd::observers != nullptr || detail::call_observer != nullptr || ActivationProbe::active();
}

// dz_t = f'(z_t) (g_t + W^T dz_(t+1)), where g are gradients of h as they come from elsewhere, as numbers or, while the
// backward pass is recorded, written in operations.
Tensor elman_backward(const kernels::TimeLoop& loop, const activations::Function& f, const Tensor& g, const Tensor& z,
                      const Tensor& weight) {
  if (!autograd::is_recording()) {
    Tensor dz = Tensor::make("rnn", z.shape(), z.dtype());
    dispatch_floating("rnn", z.dtype(), [&]<class T> {
      kernels::recur_backward(loop, f, z.data<T>(), weight.data<T>(), g.data<T>(), dz.data<T>());
    });
    return dz;
  }
  std::vector<Tensor> steps = unbind(g);
  const std::vector<Tensor> slopes_at = unbind(z);
  Tensor later;
  for (Index s = loop.steps; s-- > 0;) {
    const auto t = std::size_t(loop.reversed ? loop.steps - 1 - s : s);
    later = steps[t] =
        activation_gradient(f, slopes_at[t], later.defined() ? steps[t] + matmul(later, weight) : steps[t]);
  }
  return stack(steps);
}

// h at all time steps of x (T, N, in), from h_0 (N, hidden), as one operation. It keeps z, of which h is f(z), and in
// the backward pass the gradients of the weights are one product over all steps. Undefined where the steps are to be
// seen one by one, or where something does not fit, which they will tell.
Tensor elman_sequence(const Tensor& x, const Tensor& h_0, const RecurrentParameters& p, const Activation& activation,
                      bool reversed) {
  const Tensor &w = p.weight_ih, &u = p.weight_hh;
  if (observed() || x.size(0) == 0 || u.shape() != Shape{w.size(0), w.size(0)} || u.dtype() != x.dtype() ||
      h_0.shape() != Shape{x.size(1), w.size(0)})
    return {};
  const kernels::TimeLoop loop{x.size(0), x.size(1), w.size(0), reversed};
  const activations::Function& f = activation.function();
  const Tensor bias = p.bias_ih.defined() ? p.bias_ih + p.bias_hh : Tensor{};
  Tensor z;
  {
    const NoGrad off;
    z = functional::linear(x, w, bias);
  }
  Tensor value = Tensor::make("rnn", z.shape(), z.dtype());
  dispatch_floating("rnn", x.dtype(), [&]<class T> {
    kernels::recur(loop, f, h_0.data<T>(), u.data<T>(), z.data<T>(), value.data<T>());
  });
  return autograd::record(
      "rnn", std::move(value), {x, w, bias, h_0, u}, autograd::saves(x, w, bias, h_0, u, z, autograd::output),
      [f, loop](const Tensor& g, const Tensor& v, const Tensor& w_ih, const Tensor& b, const Tensor& start,
                const Tensor& w_hh, const Tensor& kept, const Tensor& h, const autograd::Step& step) {
        const bool recording = autograd::is_recording();
        const Index most = loop.steps - 1;
        const Tensor first = unsqueeze(start, 0);
        // h of the step before
        const Tensor before = !recording      ? Tensor{}
                              : loop.reversed ? cat({slice(h, 0, 1, loop.steps), first})
                                              : cat({first, slice(h, 0, 0, most)});
        const Tensor sums = recording ? functional::linear(v, w_ih, b) + functional::linear(before, w_hh) : kept;
        const Tensor dz = elman_backward(loop, f, g, sums, w_hh);
        const auto flat = [](const Tensor& t) { return reshape(t, {t.size(0) * t.size(1), t.size(2)}); };
        autograd::Grads grads(5);
        if (step.needs(0)) {
          grads[0] = product_gradient(step, 0, flat(dz), w_ih);
          if (grads[0].defined()) grads[0] = reshape(grads[0], v.shape());
        }
        if (step.needs(1)) grads[1] = product_gradient(step, 1, flat(dz), flat(v), {.transpose_a = true});
        if (step.needs(2)) grads[2] = sum(flat(dz), {.axes = {0}});
        if (step.needs(3)) grads[3] = product_gradient(step, 3, dz[loop.reversed ? most : 0], w_hh);
        if (step.needs(4) && recording) grads[4] = matmul(flat(dz), flat(before), {.transpose_a = true});
        if (step.needs(4) && !recording) {
          const Tensor* sum = step.sum(4);
          const Tensor dw = sum != nullptr ? *sum : Tensor::make("rnn", w_hh.shape(), w_hh.dtype());
          dispatch_floating("rnn", dw.dtype(), [&]<class T> {
            kernels::recur_weight_gradient(loop, start.data<T>(), h.data<T>(), dz.data<T>(), sum != nullptr,
                                           dw.data<T>());
          });
          if (sum == nullptr) grads[4] = dw;
        }
        return grads;
      });
}

Tensor gru_step(const Tensor& projected, const Tensor& h, const RecurrentParameters& p) {
  const Index hidden = h.shape().back();
  const std::vector<Tensor> x = split(projected, {2 * hidden, hidden}, -1),
                            y = split(functional::linear(h, p.weight_hh, p.bias_hh), {2 * hidden, hidden}, -1);
  const std::vector<Tensor> gates = chunk(sigmoid(x[0] + y[0]), 2, -1);  // r, z
  const Tensor n = tanh(x[1] + gates[0] * y[1]);
  return n + gates[1] * (h - n);
}

LSTMState lstm_step(const Tensor& projected, const LSTMState& state, const RecurrentParameters& p) {
  const Index hidden = state.h.shape().back();
  const std::vector<Tensor> gates = split(projected + recur(state.h, p), {2 * hidden, hidden, hidden}, -1);
  const std::vector<Tensor> input_forget = chunk(sigmoid(gates[0]), 2, -1);
  const Tensor c = input_forget[1] * state.c + input_forget[0] * tanh(gates[1]);
  return {sigmoid(gates[2]) * tanh(c), c};
}

void check_cell_input(const char* name, const Tensor& x, const RecurrentParameters& p) {
  const Index in = p.weight_ih.shape()[1];
  if (x.dim() != 2 || x.shape()[1] != in)
    failf(name, "the input has shape {}; one time step is (N, {}): batch, features{}", x.shape(), in,
          x.dim() == 1 && x.shape()[0] == in ? ". A single sample gets its batch axis from unsqueeze(0)" : "");
}

Tensor cell_state(const char* name, const char* what, const Tensor& state, const Tensor& x,
                  const RecurrentParameters& p) {
  const Shape shape{x.shape()[0], p.weight_hh.shape()[1]};
  if (!state.defined()) return zeros(shape, {.dtype = x.dtype()});
  if (state.shape() != shape)
    failf(name, "{} has shape {}; an input of shape {} needs (N, hidden) = {}", what, state.shape(), x.shape(), shape);
  check_same_dtype(name, state, x);
  return state;
}

}  // namespace

RNNCell::RNNCell(Index input_size, Index hidden_size, const Options& options)
    : weights(make_parameters("RNNCell", 1, input_size, hidden_size, options.bias, options.recurrent_init)),
      activation(nn::activation(options.activation)) {}

Tensor RNNCell::forward(const Tensor& x, const Tensor& h) {
  check_cell_input("RNNCell", x, weights);
  return elman_step(project(x, weights, true), cell_state("RNNCell", "h", h, x, weights), weights, activation);
}

void RNNCell::visit(Visitor& v) {
  visit_parameters(v, weights, "");
  v("activation", activation);
}

GRUCell::GRUCell(Index input_size, Index hidden_size, const Options& options)
    : weights(make_parameters("GRUCell", 3, input_size, hidden_size, options.bias, options.recurrent_init)) {}

Tensor GRUCell::forward(const Tensor& x, const Tensor& h) {
  check_cell_input("GRUCell", x, weights);
  return gru_step(project(x, weights, false), cell_state("GRUCell", "h", h, x, weights), weights);
}

void GRUCell::visit(Visitor& v) { visit_parameters(v, weights, ""); }

LSTMCell::LSTMCell(Index input_size, Index hidden_size, const Options& options)
    : weights(make_parameters("LSTMCell", 4, input_size, hidden_size, options.bias, options.recurrent_init)) {}

LSTMState LSTMCell::forward(const Tensor& x, const LSTMState& state) {
  check_cell_input("LSTMCell", x, weights);
  return lstm_step(project(x, weights, true),
                   {cell_state("LSTMCell", "h", state.h, x, weights), cell_state("LSTMCell", "c", state.c, x, weights)},
                   weights);
}

void LSTMCell::visit(Visitor& v) { visit_parameters(v, weights, ""); }

RecurrentLayers::RecurrentLayers(const char* name, Index gates, Index input_size, Index hidden_size,
                                 const RecurrentOptions& options)
    : dropout(options.dropout),
      name_(name),
      input_size_(input_size),
      hidden_size_(hidden_size),
      batch_first_(options.batch_first),
      directions_(options.bidirectional ? 2 : 1) {
  if (options.num_layers < 1) failf(name, "{} layers; at least 1 is needed", options.num_layers);
  const auto directions = Index(directions_);
  for (Index i = 0; i < options.num_layers * directions; ++i)
    layers.push_back(make_parameters(name, gates, i < directions ? input_size : directions * hidden_size, hidden_size,
                                     options.bias, options.recurrent_init));
}

void RecurrentLayers::visit(Visitor& v) {
  for (std::size_t i = 0; i < layers.size(); ++i)
    visit_parameters(v, layers[i], "_l" + std::to_string(i / directions_) + (i % directions_ == 1 ? "_reverse" : ""));
  v("dropout", dropout);
}

std::vector<Tensor> RecurrentLayers::initial(const char* what, const Tensor& state, const Tensor& x) const {
  if (x.dim() != 3 || x.shape().back() != input_size_)
    failf(name_, "the input has shape {}; it must be ({}, {}): {}, features{}", x.shape(),
          batch_first_ ? "N, T" : "T, N", input_size_, batch_first_ ? "batch, length" : "length, batch",
          x.dim() == 2 && x.shape().back() == input_size_
              ? fmt::format(". A single sequence gets its batch axis from unsqueeze({})", batch_first_ ? 0 : 1)
              : "");
  const Shape shape{Index(layers.size()), x.size(batch_first_ ? 0 : 1), hidden_size_};
  if (!state.defined())
    return std::vector<Tensor>(layers.size(), zeros({shape[1], hidden_size_}, {.dtype = x.dtype()}));
  if (state.shape() != shape)
    failf(name_, "{} has shape {}; an input of shape {} needs ({}layers, N, hidden) = {}", what, state.shape(), x.shape(),
          directions_ == 2 ? "2 " : "", shape);
  check_same_dtype(name_, state, x);
  return unbind(state);
}

Tensor RecurrentLayers::run_layers(const Tensor& x, bool adds_both, const Step& step, const Sequence& sequence) {
  const Index time = batch_first_ ? 1 : 0;
  Tensor y = x;
  for (std::size_t first = 0; first < layers.size(); first += directions_) {
    const Tensor input = first == 0 ? y : dropout(y);
    std::vector<Tensor> sides;
    for (std::size_t layer = first; layer < first + directions_; ++layer) {
      const bool reversed = layer > first;
      if (sequence) {
        const Tensor output = sequence(layer, batch_first_ ? transpose(input, 0, 1) : input, reversed);
        if (output.defined()) {
          sides.push_back(batch_first_ ? transpose(output, 0, 1) : output);
          continue;
        }
      }
      const Tensor projected = project(input, layers[layer], adds_both);
      std::vector<Tensor> steps = unbind(projected, time);
      const auto turn = [&] {
        if (reversed) std::reverse(steps.begin(), steps.end());
      };
      turn();
      for (Tensor& at : steps) at = step(layer, at);
      turn();
      sides.push_back(steps.empty() ? projected.slice(2, 0, hidden_size_) : stack(steps, time));
    }
    y = sides.size() == 1 ? sides[0] : cat(sides, 2);
  }
  return y;
}

RNN::RNN(Index input_size, Index hidden_size, const Options& options)
    : RecurrentLayers("RNN", 1, input_size, hidden_size,
                      {.num_layers = options.num_layers,
                       .bias = options.bias,
                       .batch_first = options.batch_first,
                       .dropout = options.dropout,
                       .bidirectional = options.bidirectional,
                       .recurrent_init = options.recurrent_init}),
      activation(nn::activation(options.activation)) {}

RecurrentResult RNN::run(const Tensor& x, const Tensor& h_0) {
  std::vector<Tensor> h = initial("h_0", h_0, x);
  const Step step = [&](std::size_t layer, const Tensor& projected) {
    return h[layer] = elman_step(projected, h[layer], layers[layer], activation);
  };
  const Sequence sequence = [&](std::size_t layer, const Tensor& input, bool reversed) {
    Tensor output = elman_sequence(input, h[layer], layers[layer], activation, reversed);
    if (const Index steps = input.size(0); output.defined() && steps > 0) h[layer] = output[reversed ? 0 : steps - 1];
    return output;
  };
  const Tensor output = run_layers(x, true, step, sequence);
  return {output, stack(h)};
}

void RNN::visit(Visitor& v) {
  RecurrentLayers::visit(v);
  v("activation", activation);
}

GRU::GRU(Index input_size, Index hidden_size, const Options& options)
    : RecurrentLayers("GRU", 3, input_size, hidden_size, options) {}

RecurrentResult GRU::run(const Tensor& x, const Tensor& h_0) {
  std::vector<Tensor> h = initial("h_0", h_0, x);
  const Tensor output = run_layers(x, false, [&](std::size_t layer, const Tensor& projected) {
    return h[layer] = gru_step(projected, h[layer], layers[layer]);
  });
  return {output, stack(h)};
}

LSTM::LSTM(Index input_size, Index hidden_size, const Options& options)
    : RecurrentLayers("LSTM", 4, input_size, hidden_size, options) {}

LSTMResult LSTM::run(const Tensor& x, const LSTMState& state) {
  std::vector<Tensor> h = initial("h_0", state.h, x), c = initial("c_0", state.c, x);
  const Tensor output = run_layers(x, true, [&](std::size_t layer, const Tensor& projected) {
    const LSTMState next = lstm_step(projected, {h[layer], c[layer]}, layers[layer]);
    c[layer] = next.c;
    return h[layer] = next.h;
  });
  return {output, stack(h), stack(c)};
}

}  // namespace gradus::nn
