#pragma once
#include "gradus/nn/module.hpp"

namespace gradus::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;            ///< of the running statistics: new = (1 - momentum) old + momentum batch
  bool affine = true;               ///< learn a scale and a shift per channel
  bool track_running_stats = true;  ///< without, the batch's own statistics are used in eval mode, too
};

/// (x - mean) / sqrt(var + eps) * weight + bias per channel (axis 1), with the statistics of the batch in training mode and the
/// running ones in eval mode (Ioffe and Szegedy 2015). Parameters "weight", "bias" (channels), buffers "running_mean", "running_var",
/// "num_batches_tracked". In training mode a channel needs more than one value.
class BatchNorm : public Module {
 public:
  using Options = BatchNormOptions;
  Tensor weight, bias, running_mean, running_var, num_batches_tracked;

  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;

 protected:
  /// `axes` holds the numbers of axes that x may have.
  BatchNorm(const char* name, Index channels, const Options& options, std::vector<Index> axes);

 private:
  const char* name_;
  Options options_;
  std::vector<Index> axes_;
};

/// For x of shape (N, channels) or (N, channels, length).
struct BatchNorm1d : BatchNorm {
  explicit BatchNorm1d(Index channels, const Options& options = {}) : BatchNorm("BatchNorm1d", channels, options, {2, 3}) {}
};
/// For x of shape (N, channels, height, width).
struct BatchNorm2d : BatchNorm {
  explicit BatchNorm2d(Index channels, const Options& options = {}) : BatchNorm("BatchNorm2d", channels, options, {4}) {}
};

}  // namespace gradus::nn
