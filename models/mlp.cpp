#include "gradus/models/mlp.hpp"

#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/linear.hpp"

namespace gradus::models {

nn::Sequential mlp(Index inputs, Index outputs, const MlpOptions& options) {
  nn::Sequential net{nn::Flatten{}};
  Index width = inputs;
  for (const Index hidden : options.hidden) {
    net.push_back(nn::Linear{width, hidden, {.bias = !options.batch_norm}});
    if (options.batch_norm) net.push_back(nn::BatchNorm1d{hidden});
    net.push_back(nn::activation(options.activation));
    if (options.dropout != 0) net.push_back(nn::Dropout{options.dropout});
    width = hidden;
  }
  net.push_back(nn::Linear{width, outputs});
  return net;
}

}  // namespace gradus::models
