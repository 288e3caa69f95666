#pragma once
#include <optional>
#include <string>
#include <vector>

#include "gradus/nn/sequential.hpp"

namespace gradus::models {

struct PreactResnetOptions {
  std::vector<Index> widths = {16, 32, 64};  ///< channels of each stage; each but the first halves the image
  Index blocks = 2;                          ///< in each stage
  std::optional<Index> depth;  ///< in place of blocks: 2 * stages * blocks + 2, the layers with weights from end to end
  std::string activation = "relu";  ///< any name that nn::activation knows
};

/// A residual network with nothing but the sum on its main path (He, Zhang, Ren, Sun, "Identity mappings in deep
/// residual networks", 2016):
///
///   conv 3x3 - stages of PreActBlocks - BatchNorm - activation - global average pooling - Linear
///
/// With the default widths these are the paper's networks for CIFAR, of depth 6 n + 2; widths {64, 128, 256, 512} with
/// two blocks each are the 18 layers of ResNet-18 with a stem for small images. x: (N, channels, height, width) -> (N,
/// classes), any size from 1 x 1.
nn::Sequential preact_resnet(const Shape& image, Index classes, const PreactResnetOptions& options = {});

}  // namespace gradus::models
