#include "gradus/models/preact_resnet.hpp"

#include <algorithm>

#include "gradus/core/format.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/pool.hpp"
#include "gradus/nn/residual.hpp"

namespace gradus::models {
namespace {

Index blocks_of(const PreactResnetOptions& options) {
  if (!options.depth) {
    if (options.blocks < 1) failf("preact_resnet", "{} blocks in each stage; at least 1 is needed", options.blocks);
    return options.blocks;
  }
  const Index depth = *options.depth, step = 2 * Index(options.widths.size());
  if (depth < step + 2 || (depth - 2) % step != 0)
    failf("preact_resnet", "a depth of {}; with {} stages it must be {} n + 2, e.g. {}", depth, options.widths.size(),
          step, std::max<Index>((depth - 2) / step, 1) * step + 2);
  return (depth - 2) / step;
}

}  // namespace

nn::Sequential preact_resnet(const Shape& image, Index classes, const PreactResnetOptions& options) {
  if (image.size() != 3 || *std::min_element(image.begin(), image.end()) < 1)
    failf("preact_resnet", "an image of shape {}; (channels, height, width), each at least 1, is needed", image);
  if (options.widths.empty()) fail("preact_resnet", "there are no widths; each stage needs one");
  for (std::size_t i = 0; i < options.widths.size(); ++i)
    if (options.widths[i] < 1)
      failf("preact_resnet", "stage {} has {} channels; at least 1 is needed", i, options.widths[i]);
  const Index blocks = blocks_of(options);

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
