#pragma once
#include <string>

#include "gradus/nn/sequential.hpp"

namespace gradus::models {

struct LenetOptions {
  std::string activation = "relu";  ///< any name that nn::activation knows
  double dropout = 0;               ///< before each of the last two linear layers
};

/// LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) with max-pooling, as it is trained today:
///
///   conv 5x5, 6 - activation - max-pool 2 - conv 5x5, 16 - activation - max-pool 2 - 120 - activation - 84 - activation - classes
///
/// x: (N, channels, height, width). The first convolution keeps the size; the second one keeps it as well when the image is too small to
/// be cut (below 20 pixels a side, e.g. the 8 x 8 digits), and kernels shrink to 3 x 3 there.
nn::Sequential lenet(const Shape& image, Index classes, const LenetOptions& options = {});

}  // namespace gradus::models
