#include "gradus/models/recurrent.hpp"

#include "gradus/core/format.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/ops/shape.hpp"

namespace gradus::models {
namespace {

nn::AnyModule layers(Index inputs, const RecurrentOptions& options) {
  if (options.cell == "elman")
    return nn::RNN{inputs,
                   options.hidden,
                   {.activation = options.activation,
                    .num_layers = options.layers,
                    .batch_first = true,
                    .dropout = options.dropout,
                    .recurrent_init = options.recurrent_init}};
  if (options.cell != "gru" && options.cell != "lstm")
    failf("recurrent", "the cell is \"{}\"; it can be \"elman\", \"gru\" or \"lstm\"", options.cell);
  if (options.activation != "tanh")
    failf("recurrent", "the activation is \"{}\", but the cell \"{}\" has its own; only \"elman\" takes one",
          options.activation, options.cell);
  const nn::RecurrentOptions gated{.num_layers = options.layers,
                                   .batch_first = true,
                                   .dropout = options.dropout,
                                   .recurrent_init = options.recurrent_init};
  if (options.cell == "gru") return nn::GRU{inputs, options.hidden, gated};
  return nn::LSTM{inputs, options.hidden, gated};
}

// (N, length, hidden) -> (N, hidden)
Tensor last_step(const Tensor& x) {
  if (x.size(1) == 0) fail("recurrent", "the sequences have length 0; there is no last step to answer from");
  return select(x, 1, x.size(1) - 1);
}

}  // namespace

nn::Sequential recurrent(Index inputs, Index outputs, const RecurrentOptions& options) {
  return nn::Sequential{layers(inputs, options), nn::Lambda{last_step}, nn::Linear{options.hidden, outputs}};
}

}  // namespace gradus::models
