#pragma once
#include <optional>
#include <string>
#include <vector>

#include "gradus/nn/sequential.hpp"

namespace gradus::models {

struct PostactResnetOptions {
  std::vector<Index> widths = {16, 32, 64};  ///< channels of each stage; each but the first halves the image
  Index blocks = 2;                          ///< in each stage
  std::optional<Index> depth;  ///< in place of blocks: 2 * stages * blocks + 2, the layers with weights from end to end
  std::string activation = "relu";  ///< any name that nn::activation knows
};

/// The first residual network, with the activation after each sum (He, Zhang, Ren, Sun, "Deep residual learning for
/// image recognition", 2015, section 4.2):
///
///   conv 3x3 - BatchNorm - activation - stages of PostActBlocks - global average pooling - Linear
///
/// With the default widths these are the paper's networks for CIFAR, of depth 6 n + 2, but for the shortcuts where the
/// width changes: they are convolutions. preact_resnet is its successor. x: (N, channels, height, width) -> (N,
/// classes), any size from 1 x 1.
nn::Sequential postact_resnet(const Shape& image, Index classes, const PostactResnetOptions& options = {});

}  // namespace gradus::models
