#pragma once
// Batches by Poisson sampling, as differentially private training wants them.
//
//   data::PoissonLoader loader{train_set, {.sampling_rate = 256.0 / 60000}};
//   for (Index step = 0; step < loader.size(); ++step) {
//     const auto [x, y] = loader.next();
//     ...
//   }
#include <cstdint>
#include <optional>

#include "gradus/data/loader.hpp"

namespace gradus::data {

struct PoissonOptions {
  double sampling_rate = 0;                ///< has to be given: the chance of each sample to be in a batch
  std::optional<std::uint64_t> seed = {};  ///< for experiments to be repeated; default: from std::random_device
};

/// Every sample stands in every batch with chance `sampling_rate`, independently of all others and of all other
/// batches. So batches differ in size, and one may be empty. This is what the accounting of theory/privacy.hpp assumes;
/// it also assumes that nobody knows which samples were taken, so a seed is for experiments. The batch of step k is a
/// function of (seed, k) alone.
class PoissonLoader {
 public:
  /// Keeps handles to the tensors of the data set, no copy of them. Throws unless 0 < sampling_rate <= 1 and there are
  /// samples.
  PoissonLoader(Dataset dataset, const PoissonOptions& options);

  /// The batch of the next step. Its x and y may have 0 samples.
  Batch next();

  /// The number of batches in which each sample is expected once: 1 / sampling_rate, rounded.
  Index size() const;
  /// sampling_rate times the number of samples.
  double expected_batch_size() const;
  double sampling_rate() const { return rate_; }
  const Dataset& dataset() const { return dataset_; }

  /// For checkpoints; holds the seed, so keep it as secret as the batches are to be.
  struct State {
    std::uint64_t seed;
    std::uint64_t steps;  ///< batches handed out so far
  };
  State state() const { return state_; }
  void set_state(const State& state) { state_ = state; }

 private:
  Dataset dataset_;
  double rate_;
  State state_;
};

}  // namespace gradus::data
