#pragma once
// Residual blocks of convolutions: x plus what two 3x3 convolutions make of it.
#include <optional>
#include <string>

#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/sequential.hpp"

namespace gradus::nn {

struct ResidualBlockOptions {
  IntPair stride = 1;               ///< of the first convolution and of the shortcut
  std::string activation = "relu";  ///< any name that nn::activation knows
};

/// With a = activation(bn1(x)):   y = conv2(activation(bn2(conv1(a)))) + shortcut, nothing after the sum.
/// The shortcut is x itself or, where in differs from out or the stride from 1, a 1x1 convolution of a with that stride
/// (He, Zhang, Ren, Sun, "Identity mappings in deep residual networks", 2016, figure 1b and appendix).
/// x: (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)). No convolution has a bias.
/// State: "bn1", "conv1", "bn2", "conv2" and, where there is one, the convolution "shortcut". All start as layers of
/// their own do.
class PreActBlock : public Module {
 public:
  using Options = ResidualBlockOptions;
  BatchNorm2d bn1;
  Conv2d conv1;
  BatchNorm2d bn2;
  Conv2d conv2;
  std::optional<Conv2d> shortcut;
  Activation activation;

  PreActBlock(Index in_channels, Index out_channels, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
};

/// y = activation(bn2(conv2(activation(bn1(conv1(x))))) + shortcut). The shortcut is x itself or, where in differs from
/// out or the stride from 1, a 1x1 convolution of x with that stride and a batch norm: projection B of He, Zhang, Ren,
/// Sun, "Deep residual learning for image recognition", 2015, section 3.3. x: (N, in, H, W) -> (N, out, ceil(H /
/// stride), ceil(W / stride)). No convolution has a bias. State: "conv1", "bn1", "conv2", "bn2" and, where there is
/// one, "shortcut.0" (the convolution), "shortcut.1" (its batch norm).
class PostActBlock : public Module {
 public:
  using Options = ResidualBlockOptions;
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  std::optional<Sequential> shortcut;
  Activation activation;

  PostActBlock(Index in_channels, Index out_channels, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
};

}  // namespace gradus::nn
