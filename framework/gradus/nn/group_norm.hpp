#pragma once
#include "gradus/nn/module.hpp"

namespace gradus::nn {

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< learn a scale and a shift per channel
};

/// (x - mean) / sqrt(var + eps) * weight + bias, the channels (axis 1) of each sample standardised in `groups` equal
/// parts (Wu and He 2018): with one group all channels together, with as many groups as channels each by itself. The
/// batch plays no part. x: (N, channels, ...) -> the same.   Parameters: "weight", "bias" (channels).
class GroupNorm : public Module {
 public:
  using Options = GroupNormOptions;
  Tensor weight, bias;

  /// Throws unless `groups` divides `channels`.
  GroupNorm(Index groups, Index channels, const Options& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;
  Index groups() const { return groups_; }
  const Options& options() const { return options_; }

 private:
  Index groups_, channels_;
  Options options_;
};

}  // namespace gradus::nn
