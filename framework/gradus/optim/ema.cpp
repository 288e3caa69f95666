#include "gradus/optim/ema.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_set>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::optim {
namespace {

// A range worth a thread.
constexpr Index grain = 32768;

void check_decay(double decay) {
  if (!(decay >= 0 && decay <= 1)) failf("EMA", "decay is {}; it must be in [0, 1]", decay);
}

void copy_numbers(const Tensor& from, const Tensor& to) {
  if (from.numel() > 0) std::memcpy(to.raw_data(), from.raw_data(), std::size_t(from.numel()) * size_of(from.dtype()));
  to.impl()->storage->bump_version();
}

}  // namespace

EMA::EMA(std::vector<Tensor> weights, const EMAOptions& options) : options_(options) { start(std::move(weights)); }
EMA::EMA(const NamedTensors& weights, const EMAOptions& options) : options_(options) { start(weights); }

void EMA::start(const Parameters& weights) {
  check_decay(options_.decay);
  weights_ = weights.tensors();
  names_ = weights.names();
  if (weights_.empty()) fail("EMA", "there are no weights to average");
  if (names_.empty())
    for (std::size_t i = 0; i < weights_.size(); ++i) names_.push_back(std::to_string(i));
  std::unordered_set<std::string_view> seen;
  const NoGrad no_grad;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (!weights_[i].defined()) failf("EMA", "weight \"{}\" is undefined", names_[i]);
    if (!weights_[i].is_leaf())
      failf("EMA", "weight \"{}\" of shape {} is the result of an operation; it is no weight", names_[i],
            weights_[i].shape());
    if (!seen.insert(names_[i]).second) failf("EMA", "two weights are called \"{}\"", names_[i]);
    averages_.push_back(weights_[i].detach().clone());
  }
}

void EMA::check_unchanged(const char* operation) const {
  for (std::size_t i = 0; i < weights_.size(); ++i)
    if (weights_[i].dtype() != averages_[i].dtype() || weights_[i].shape() != averages_[i].shape())
      failf("EMA", "{}: weight \"{}\" has become {} {} but its average is {} {}; convert a model before it is averaged",
            operation, names_[i], weights_[i].dtype(), weights_[i].shape(), averages_[i].dtype(), averages_[i].shape());
}

void EMA::update() {
  if (applied()) fail("EMA", "update: the weights are the averages now; call restore() first");
  check_unchanged("update");
  ++updates_;
  double decay = options_.decay;
  if (options_.warm_up) decay = std::min(decay, (1 + double(updates_)) / (10 + double(updates_)));
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (!is_floating(weights_[i].dtype())) {
      copy_numbers(weights_[i], averages_[i]);
      continue;
    }
    dispatch_floating("EMA", weights_[i].dtype(), [&]<class T> {
      const T* const weight = weights_[i].data<T>();
      T* const average = averages_[i].data<T>();
      const T take = T(1 - decay);
      parallel_for(weights_[i].numel(), grain, [&](Index first, Index last) {
        for (Index k = first; k < last; ++k) average[k] += take * (weight[k] - average[k]);
      });
    });
  }
}

void EMA::apply() {
  if (applied()) fail("EMA", "apply: the averages are in the weights already");
  check_unchanged("apply");
  const NoGrad no_grad;
  std::vector<Tensor> aside;
  for (const Tensor& weight : weights_) aside.push_back(weight.detach().clone());
  aside_ = std::move(aside);
  for (std::size_t i = 0; i < weights_.size(); ++i) copy_numbers(averages_[i], weights_[i]);
}

void EMA::restore() {
  if (!applied()) fail("EMA", "restore: there is nothing to bring back; apply() comes first");
  check_unchanged("restore");
  for (std::size_t i = 0; i < weights_.size(); ++i) copy_numbers(aside_[i], weights_[i]);
  aside_.clear();
}

void EMA::copy_to(const std::vector<Tensor>& weights) const {
  if (weights.size() != averages_.size())
    failf("EMA", "copy_to: {} weights for {} averages", weights.size(), averages_.size());
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (weights[i].dtype() != averages_[i].dtype() || weights[i].shape() != averages_[i].shape())
      failf("EMA", "copy_to: weight {} is {} {} but the average of \"{}\" is {} {}", i, weights[i].dtype(),
            weights[i].shape(), names_[i], averages_[i].dtype(), averages_[i].shape());
  for (std::size_t i = 0; i < weights.size(); ++i) copy_numbers(averages_[i], weights[i]);
}

NamedTensors EMA::averages() const {
  const NoGrad no_grad;
  NamedTensors result;
  for (std::size_t i = 0; i < averages_.size(); ++i) result.emplace_back(names_[i], averages_[i].clone());
  return result;
}

NamedTensors EMA::state_dict() const {
  NamedTensors result = averages();
  for (auto& [name, tensor] : result) name += ".average";
  result.emplace_back("EMA.updates", full({}, double(updates_), {.dtype = int64}));
  result.emplace_back("EMA.decay", full({}, options_.decay, {.dtype = float64}));
  result.emplace_back("EMA.warm_up", full({}, options_.warm_up ? 1 : 0, {.dtype = int64}));
  return result;
}

void EMA::load_state_dict(const NamedTensors& state) {
  const NoGrad no_grad;
  std::string problems;
  std::map<std::string_view, const Tensor*> entries;
  for (const auto& [name, value] : state) {
    if (!value.defined())
      problems += fmt::format("\n  \"{}\" is undefined", name);
    else if (!entries.try_emplace(name, &value).second)
      problems += fmt::format("\n  \"{}\" is there twice", name);
  }
  const auto take = [&](const std::string& name, DType dtype, const Shape& shape) {
    const auto at = entries.find(name);
    if (at == entries.end()) {
      problems += fmt::format("\n  missing \"{}\" {}", name, shape);
      return Tensor{};
    }
    const Tensor found = *at->second;
    entries.erase(at);
    if (found.dtype() == dtype && found.shape() == shape) return found;
    problems += fmt::format("\n  \"{}\" is {} {}, expected {} {}", name, found.dtype(), found.shape(), dtype, shape);
    return Tensor{};
  };
  std::vector<Tensor> averages;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    const Tensor found = take(names_[i] + ".average", averages_[i].dtype(), averages_[i].shape());
    averages.push_back(found.defined() ? found.detach().clone() : found);
  }
  const Tensor updates = take("EMA.updates", int64, {}), decay = take("EMA.decay", float64, {});
  const Tensor warm_up = take("EMA.warm_up", int64, {});
  if (updates.defined() && updates.item<std::int64_t>() < 0)
    problems += fmt::format("\n  \"EMA.updates\" is {}, expected at least 0", updates.item<std::int64_t>());
  if (decay.defined() && !(decay.item() >= 0 && decay.item() <= 1))
    problems += fmt::format("\n  \"EMA.decay\" is {}, expected a number in [0, 1]", decay.item());
  for (const auto& [name, value] : entries) problems += fmt::format("\n  unexpected \"{}\" {}", name, value->shape());
  if (!problems.empty()) failf("EMA", "load_state_dict: the state does not fit, nothing was loaded:{}", problems);
  averages_ = std::move(averages);
  updates_ = updates.item<std::int64_t>();
  options_ = {.decay = decay.item(), .warm_up = warm_up.item<std::int64_t>() != 0};
}

}  // namespace gradus::optim
