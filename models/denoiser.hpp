#pragma once
#include <string>

#include "gradus/nn/sequential.hpp"

namespace gradus::models {

struct DenoiserOptions {
  Index width = 32;                 ///< channels between the convolutions
  Index depth = 5;                  ///< convolutions; at least 2
  std::string activation = "relu";  ///< any name that nn::activation knows
};

/// An image without its noise (DnCNN: Zhang, Zuo, Chen, Meng, Zhang, "Beyond a Gaussian denoiser: residual learning of
/// deep CNN for image denoising", 2017):
///
///   x + f(x),  f: conv 3x3 - activation - (conv 3x3 - BatchNorm - activation)* - conv 3x3
///
/// f has the noise alone to find, with a minus, not the image. x: (N, channels, height, width) -> the same, any size
/// from 1 x 1. Train it with nn::mse_loss(model(noisy), clean).
nn::Sequential denoiser(Index channels, const DenoiserOptions& options = {});

}  // namespace gradus::models
