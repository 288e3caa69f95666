#include "gradus/models/pinn_mlp.hpp"

#include "gradus/nn/activation.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/nn/linear.hpp"

namespace gradus::models {
namespace {

nn::Linear glorot_linear(Index inputs, Index outputs) {
  nn::Linear linear{inputs, outputs};
  nn::init::xavier_normal_(linear.weight);
  nn::init::zeros_(linear.bias);
  return linear;
}

}  // namespace

nn::Sequential pinn_mlp(Index inputs, Index outputs, const PinnMlpOptions& options) {
  nn::Sequential net;
  Index width = inputs;
  for (const Index hidden : options.hidden) {
    net.push_back(glorot_linear(width, hidden));
    net.push_back(nn::activation(options.activation));
    width = hidden;
  }
  net.push_back(glorot_linear(width, outputs));
  return net;
}

}  // namespace gradus::models
