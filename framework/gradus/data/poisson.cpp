#include "gradus/data/poisson.hpp"

#include <cmath>
#include <random>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/kernels/random.hpp"

namespace gradus::data {

PoissonLoader::PoissonLoader(Dataset dataset, const PoissonOptions& options)
    : dataset_(std::move(dataset)), rate_(options.sampling_rate) {
  if (!(rate_ > 0 && rate_ <= 1)) failf("poisson_loader", "sampling_rate is {}; it must be in (0, 1]", rate_);
  if (dataset_.size() == 0) fail("poisson_loader", "there are no samples");
  if (options.seed) {
    state_ = {*options.seed, 0};
  } else {
    std::random_device device;
    const std::uint64_t high = device();
    state_ = {high << 32 | device(), 0};
  }
}

Batch PoissonLoader::next() {
  std::vector<double> chance(std::size_t(dataset_.size()));
  kernels::uniform<double>(Generator(state_.seed).split("poisson").split(state_.steps).next(), 0, 1, chance.data(),
                           Index(chance.size()));
  std::vector<Index> taken;
  taken.reserve(std::size_t(expected_batch_size() * 1.5) + 16);
  for (std::size_t i = 0; i < chance.size(); ++i)
    if (chance[i] < rate_) taken.push_back(Index(i));
  Dataset batch = dataset_.subset(taken);
  ++state_.steps;
  return {std::move(batch.x), std::move(batch.y)};
}

Index PoissonLoader::size() const { return Index(std::llround(1 / rate_)); }
double PoissonLoader::expected_batch_size() const { return rate_ * double(dataset_.size()); }

}  // namespace gradus::data
