#include "gradus/models/self_normalizing.hpp"

#include "gradus/nn/activation.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/init.hpp"
#include "gradus/nn/linear.hpp"

namespace gradus::models {
namespace {

nn::Linear lecun_linear(Index inputs, Index outputs) {
  nn::Linear linear{inputs, outputs};
  nn::init::lecun_normal_(linear.weight);
  nn::init::zeros_(linear.bias);
  return linear;
}

}  // namespace

nn::Sequential self_normalizing(Index inputs, Index outputs, const SelfNormalizingOptions& options) {
  nn::Sequential net{nn::Flatten{}};
  Index width = inputs;
  for (const Index hidden : options.hidden) {
    net.push_back(lecun_linear(width, hidden));
    net.push_back(nn::SELU{});
    if (options.dropout != 0) net.push_back(nn::AlphaDropout{options.dropout});
    width = hidden;
  }
  net.push_back(lecun_linear(width, outputs));
  return net;
}

}  // namespace gradus::models
