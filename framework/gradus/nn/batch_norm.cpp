#include "gradus/nn/batch_norm.hpp"

#include <algorithm>

#include "gradus/core/format.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {

BatchNorm::BatchNorm(const char* name, Index channels, const Options& options, std::vector<Index> axes)
    : name_(name), options_(options), axes_(std::move(axes)) {
  if (channels < 1) failf(name, "{} channels; at least 1 is needed", channels);
  if (!(options.eps > 0)) failf(name, "eps is {}; it must be positive", options.eps);
  if (!(options.momentum >= 0 && options.momentum <= 1)) failf(name, "momentum is {}; it must lie in [0, 1]", options.momentum);
  if (options.affine) {
    weight = ones({channels}, {.requires_grad = true});
    bias = zeros({channels}, {.requires_grad = true});
  }
  if (options.track_running_stats) {
    running_mean = zeros({channels});
    running_var = ones({channels});
    num_batches_tracked = zeros({}, {.dtype = int64});
  }
}

Tensor BatchNorm::forward(const Tensor& x) {
  if (std::find(axes_.begin(), axes_.end(), x.dim()) == axes_.end())
    failf("batch_norm", "{} takes {}, got shape {}", name_, axes_.size() == 1 ? "(N, channels, height, width)" : "(N, channels) or (N, channels, length)",
          x.shape());
  const bool use_batch = training() || !options_.track_running_stats;
  Tensor y = functional::batch_norm(x, running_mean, running_var, weight, bias, use_batch, options_.momentum, options_.eps);
  if (training() && num_batches_tracked.defined()) num_batches_tracked.add_(ones_like(num_batches_tracked));
  return y;
}

void BatchNorm::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
  v.buffer("running_mean", running_mean);
  v.buffer("running_var", running_var);
  v.buffer("num_batches_tracked", num_batches_tracked);
}

}  // namespace gradus::nn
