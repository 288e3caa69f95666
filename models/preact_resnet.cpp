#include "gradus/models/preact_resnet.hpp"

#include "gradus/models/resnet_stages.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/pool.hpp"
#include "gradus/nn/residual.hpp"

namespace gradus::models {

nn::Sequential preact_resnet(const Shape& image, Index classes, const PreactResnetOptions& options) {
  const Index blocks = detail::blocks_of_stages("preact_resnet", image, options.widths, options.blocks, options.depth);

  Index channels = options.widths[0];
  nn::Sequential net{nn::Conv2d{image[0], channels, 3, {.padding = 1, .bias = false}}};
  for (std::size_t stage = 0; stage < options.widths.size(); ++stage)
    for (Index block = 0; block < blocks; ++block) {
      const Index stride = stage > 0 && block == 0 ? 2 : 1;
      net.push_back(
          nn::PreActBlock{channels, options.widths[stage], {.stride = stride, .activation = options.activation}});
      channels = options.widths[stage];
    }
  net.push_back(nn::BatchNorm2d{channels});
  net.push_back(nn::activation(options.activation));
  net.push_back(nn::GlobalAvgPool2d{});
  net.push_back(nn::Linear{channels, classes});
  return net;
}

}  // namespace gradus::models
