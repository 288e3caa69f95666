#include "gradus/train/private.hpp"

#include "gradus/nn/loss.hpp"

namespace gradus::train {

Tensor private_step(nn::Module& model, optim::DPSGD& optimizer, const data::Batch& batch, const Loss& loss,
                    const autograd::PerSampleOptions& options) {
  const autograd::BatchLoss used = loss ? loss : Loss([&](const Tensor& output, const Tensor& target) {
    return nn::cross_entropy(output, target, {.reduction = options.reduction});
  });
  const autograd::ClippedGradients clipped =
      autograd::clipped_gradients(model, used, batch.x, batch.y, optimizer.options().max_grad_norm, options);
  optimizer.step(clipped.gradients);
  return clipped.norms;
}

theory::PrivacyLoss privacy_spent(const optim::DPSGD& optimizer, double sampling_rate, double delta,
                                  theory::Conversion conversion) {
  theory::PrivacyAccountant accountant;
  for (const optim::DPSGD::Release& release : optimizer.releases())
    accountant.compose({.sampling_rate = sampling_rate, .noise_multiplier = release.noise_multiplier}, release.steps);
  return accountant.spent(delta, conversion);
}

}  // namespace gradus::train
