#include "gradus/models/lenet.hpp"

#include <algorithm>

#include "gradus/core/format.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/pool.hpp"

namespace gradus::models {

nn::Sequential lenet(const Shape& image, Index classes, const LenetOptions& options) {
  if (image.size() != 3 || std::min(image[1], image[2]) < 4)
    failf("lenet", "an image of shape {}; (channels, height, width) with at least 4 pixels a side is needed", image);
  const bool small = std::min(image[1], image[2]) < 20;
  const Index kernel = small ? 3 : 5, keep = kernel / 2, second = small ? keep : 0;
  const auto after = [&](Index size) { return (size / 2 + 2 * second - kernel + 1) / 2; };
  nn::Sequential net{
      nn::Conv2d{image[0], 6, kernel, {.padding = keep}}, nn::activation(options.activation), nn::MaxPool2d{2},
      nn::Conv2d{6, 16, kernel, {.padding = second}}, nn::activation(options.activation), nn::MaxPool2d{2},
      nn::Flatten{},
      nn::Linear{16 * after(image[1]) * after(image[2]), 120}, nn::activation(options.activation)};
  if (options.dropout != 0) net.push_back(nn::Dropout{options.dropout});
  net.push_back(nn::Linear{120, 84});
  net.push_back(nn::activation(options.activation));
  if (options.dropout != 0) net.push_back(nn::Dropout{options.dropout});
  net.push_back(nn::Linear{84, classes});
  return net;
}

}  // namespace gradus::models
