#pragma once
// Differentially private stochastic gradient descent (Abadi et al. 2016, "Deep learning with differential privacy",
// algorithm 1), given the sums of clipped gradients that autograd::clipped_gradients makes:
//
//   optim::DPSGD optimizer{net.named_parameters(), {.lr = 0.5, .expected_batch_size = loader.expected_batch_size()}};
//   const auto clipped = autograd::clipped_gradients(net, loss, x, y, optimizer.options().max_grad_norm);
//   optimizer.step(clipped.gradients);
//
// train::private_step does both, and train::privacy_spent tells what the steps have given away.
//
// Where the noise comes from. With `seed` it is a function of the seed: whoever knows that can subtract it, so nothing
// is private; it is for experiments that are to be repeated. Without one, the noise of each parameter in each step has
// a key of 64 bits of its own from std::random_device, which on Linux reads the processor's or the kernel's random
// numbers. The numbers themselves are Philox4x32 and Box and Muller's transform in floating point. So no two draws
// share a key and none can be told from another, but Philox is not a cipher that was made to withstand attack, 64 bits
// can be searched by an adversary of great means, and floating-point Gaussians have gaps that a determined one may use
// (Mironov 2012, "On significance of the least significant bits for differential privacy"). The guarantee is that of
// the mathematics with real numbers; where more is at stake, take the noise from elsewhere.
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "gradus/core/generator.hpp"
#include "gradus/optim/optimizer.hpp"

namespace gradus::optim {

struct DPSGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  bool nesterov = false;    ///< look ahead along the momentum; needs momentum > 0

  double noise_multiplier = 1;     ///< sigma: deviation of the noise over max_grad_norm
  double max_grad_norm = 1;        ///< C: the norm that the gradient of each sample was clipped to
  double expected_batch_size = 0;  ///< has to be given: what sums are divided by, the mean size of a Poisson batch
  std::optional<std::uint64_t> seed = {};  ///< for experiments that are not private; default: from the system

  static constexpr const char* name = "DPSGD";
  static std::vector<const char*> state_names() { return {"momentum_buffer"}; }
  void visit(const OptionVisitor& v);
  void check() const;
};

/// g = (sum of clipped gradients + sigma C N(0, 1)) / expected_batch_size, then SGD's step along g. Every trainable
/// parameter gets noise, also where its sum is undefined. The divisor is no function of the batch, whose size is itself
/// private.
class DPSGD final : public OptimizerWith<DPSGDOptions> {
 public:
  /// One group: a sample's gradient is clipped over all parameters together.
  explicit DPSGD(std::vector<Tensor> params, const DPSGDOptions& options);
  explicit DPSGD(const NamedTensors& params, const DPSGDOptions& options);

  /// Throws: what backward() leaves in the parameters is not clipped.
  void step() override;
  /// `sums`: one for each parameter, of gradients clipped to max_grad_norm sample by sample. Throws, before any noise
  /// is drawn, when one does not fit its parameter.
  void step(const std::vector<Tensor>& sums) override;
  /// The same by name, as autograd::clipped_gradients gives them. Throws unless they are those of the trainable
  /// parameters, in their order; the optimiser must have been made from named_parameters().
  void step(const NamedTensors& sums);

  /// Steps that were taken with one noise multiplier.
  struct Release {
    double noise_multiplier;
    std::int64_t steps;
  };
  /// All steps so far, in their order: what the accountant adds up.
  const std::vector<Release>& releases() const { return releases_; }

  /// Releases are part of the state, so that accounting goes on with a resumed run. With a seed so is the place in its
  /// stream, and a resumed run has the same bits. Without one the noise is secret and not in the state: a resumed run
  /// draws fresh noise.
  NamedTensors state_dict() const override;
  void load_state_dict(const NamedTensors& state) override;

 private:
  void update(std::size_t group, DType dtype, std::span<const Update> updates) override;
  bool uses_state(std::size_t group, std::size_t index) const override;
  Tensor noise(const Tensor& parameter, double deviation);

  Generator generator_;
  std::vector<Release> releases_;
};

}  // namespace gradus::optim
