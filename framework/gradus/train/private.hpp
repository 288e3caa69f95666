#pragma once
// Differentially private training: steps, and what they give away. The parts are data::PoissonLoader,
// autograd::clipped_gradients, optim::DPSGD and theory::PrivacyAccountant.
#include "gradus/data/loader.hpp"
#include "gradus/nn/per_sample.hpp"
#include "gradus/optim/dp_sgd.hpp"
#include "gradus/theory/privacy.hpp"
#include "gradus/train/fit.hpp"

namespace gradus::train {

/// One step of DP-SGD: the gradient of each sample clipped to the optimiser's max_grad_norm, summed, noise added, and a
/// step along it. Returns the norms before clipping, (N) float64; these are private data, not for publishing. `loss` is
/// a mean over samples or a sum, as options.reduction says; by default nn::cross_entropy. An empty batch is a step too,
/// of noise alone. Throws as autograd::clipped_gradients, e.g. for models with batch normalisation, and then changes
/// nothing.
Tensor private_step(nn::Module& model, optim::DPSGD& optimizer, const data::Batch& batch, const Loss& loss = {},
                    const autograd::PerSampleOptions& options = {});

/// The (epsilon, delta) of all steps of the optimiser so far, each on a Poisson batch of that sampling rate: it bounds
/// what anybody can learn about one sample from all the weights there were. Infinite after a step without noise. Throws
/// as theory::PrivacyAccountant.
theory::PrivacyLoss privacy_spent(const optim::DPSGD& optimizer, double sampling_rate, double delta,
                                  theory::Conversion conversion = theory::Conversion::improved);

}  // namespace gradus::train
