#include "gradus/models/denoiser.hpp"

#include "gradus/core/format.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/conv.hpp"

namespace gradus::models {

nn::Sequential denoiser(Index channels, const DenoiserOptions& options) {
  if (channels < 1 || options.width < 1)
    failf("denoiser", "images of {} channels, {} between the convolutions; both must be at least 1", channels,
          options.width);
  if (options.depth < 2) failf("denoiser", "a depth of {} convolutions; at least 2 are needed", options.depth);
  nn::Sequential noise{nn::Conv2d{channels, options.width, 3, {.padding = 1}}, nn::activation(options.activation)};
  for (Index i = 0; i < options.depth - 2; ++i) {
    noise.push_back(nn::Conv2d{options.width, options.width, 3, {.padding = 1, .bias = false}});
    noise.push_back(nn::BatchNorm2d{options.width});
    noise.push_back(nn::activation(options.activation));
  }
  noise.push_back(nn::Conv2d{options.width, channels, 3, {.padding = 1}});
  return nn::Sequential{nn::Residual{noise}};
}

}  // namespace gradus::models
