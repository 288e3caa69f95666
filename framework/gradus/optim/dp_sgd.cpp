#include "gradus/optim/dp_sgd.hpp"

#include <cmath>
#include <random>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/optim/sgd_update.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::optim {
namespace {

constexpr auto releases_name = "DPSGD.releases";
constexpr auto generator_name = "DPSGD.generator";

std::uint64_t secret_key() {
  std::random_device device;
  const std::uint64_t high = device();
  return high << 32 | device();
}

}  // namespace

void DPSGDOptions::visit(const OptionVisitor& v) {
  v("lr", lr);
  v("momentum", momentum);
  v("weight_decay", weight_decay);
  detail::visit_switch(v, "nesterov", nesterov);
  v("noise_multiplier", noise_multiplier);
  v("max_grad_norm", max_grad_norm);
  v("expected_batch_size", expected_batch_size);
}

void DPSGDOptions::check() const {
  detail::check_not_negative(name, "lr", lr);
  detail::check_not_negative(name, "momentum", momentum);
  detail::check_not_negative(name, "weight_decay", weight_decay);
  if (nesterov && momentum <= 0) failf(name, "nesterov needs momentum > 0, got {}", momentum);
  detail::check_not_negative(name, "noise_multiplier", noise_multiplier);
  const auto check_positive = [](const char* option, double value) {
    if (!(value > 0) || !std::isfinite(value)) failf(name, "{} is {}; it must be a finite number > 0", option, value);
  };
  check_positive("max_grad_norm", max_grad_norm);
  check_positive("expected_batch_size", expected_batch_size);
}

DPSGD::DPSGD(std::vector<Tensor> params, const DPSGDOptions& options)
    : OptimizerWith(std::move(params), options), generator_(options.seed.value_or(0)) {}

DPSGD::DPSGD(const NamedTensors& params, const DPSGDOptions& options)
    : OptimizerWith(params, options), generator_(options.seed.value_or(0)) {}

void DPSGD::step() {
  fail(DPSGDOptions::name,
       "step() would take the gradients of backward(), which are not clipped sample by sample; use "
       "step(autograd::clipped_gradients(...).gradients), or train::private_step");
}

void DPSGD::step(const NamedTensors& sums) {
  std::vector<Tensor> ordered(parameters().size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    if (!parameters()[i].requires_grad()) continue;
    if (next == sums.size()) failf(DPSGDOptions::name, "step got no sum for parameter \"{}\"", parameter_name(i));
    const auto& [name, sum] = sums[next++];
    if (name != parameter_name(i))
      failf(DPSGDOptions::name, "step got the sum for \"{}\" where that for parameter \"{}\" is due", name,
            parameter_name(i));
    ordered[i] = sum;
  }
  if (next != sums.size())
    failf(DPSGDOptions::name, "step got the sum for \"{}\", which it does not train", sums[next].first);
  step(ordered);
}

void DPSGD::step(const std::vector<Tensor>& sums) {
  const NoGrad no_grad;
  const auto& params = parameters();
  if (sums.size() != params.size())
    failf(DPSGDOptions::name, "step got {} gradients for {} parameters", sums.size(), params.size());
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (sums[i].defined() && (sums[i].dtype() != params[i].dtype() || sums[i].shape() != params[i].shape()))
      failf(DPSGDOptions::name, "the gradient of parameter \"{}\" is {} {} but the parameter is {} {}",
            parameter_name(i), sums[i].dtype(), sums[i].shape(), params[i].dtype(), params[i].shape());
  const DPSGDOptions& o = options();
  std::vector<Tensor> gradients(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (!params[i].requires_grad()) continue;
    gradients[i] = noise(params[i], o.noise_multiplier * o.max_grad_norm / o.expected_batch_size);
    if (sums[i].defined()) gradients[i].add_(sums[i], 1 / o.expected_batch_size);
  }
  Optimizer::step(gradients);
  if (releases_.empty() || releases_.back().noise_multiplier != o.noise_multiplier)
    releases_.push_back({o.noise_multiplier, 0});
  ++releases_.back().steps;
}

Tensor DPSGD::noise(const Tensor& parameter, double deviation) {
  if (deviation == 0) return zeros(parameter.shape(), {.dtype = parameter.dtype()});
  Generator fresh(options().seed ? 0 : secret_key());
  return normal(parameter.shape(), 0, deviation,
                {.dtype = parameter.dtype(), .generator = options().seed ? &generator_ : &fresh});
}

bool DPSGD::uses_state(std::size_t group, std::size_t) const { return options(group).momentum != 0; }

void DPSGD::update(std::size_t group, DType dtype, std::span<const Update> updates) {
  const DPSGDOptions& o = options(group);
  detail::sgd_update(DPSGDOptions::name, dtype, updates, {o.lr, o.momentum, 0, o.weight_decay, o.nesterov, false});
}

NamedTensors DPSGD::state_dict() const {
  NamedTensors result = Optimizer::state_dict();
  std::vector<double> numbers;
  for (const Release& release : releases_)
    numbers.insert(numbers.end(), {release.noise_multiplier, double(release.steps)});
  result.emplace_back(releases_name, from_vector(numbers, {Index(releases_.size()), 2}));
  if (options().seed) {
    const Generator::State state = generator_.state();
    result.emplace_back(generator_name,
                        from_vector(std::vector{std::int64_t(state.seed), std::int64_t(state.draws)}, {2}));
  }
  return result;
}

void DPSGD::load_state_dict(const NamedTensors& state) {
  constexpr auto name = DPSGDOptions::name;
  NamedTensors rest;
  Tensor numbers, place;
  for (const auto& entry : state) {
    Tensor* own = entry.first == releases_name ? &numbers : entry.first == generator_name ? &place : nullptr;
    if (own == nullptr)
      rest.push_back(entry);
    else if (own->defined())
      failf(name, "load_state_dict: \"{}\" is there twice", entry.first);
    else
      *own = entry.second;
  }
  if (!numbers.defined()) failf(name, "load_state_dict: missing \"{}\"", releases_name);
  if (numbers.dtype() != float64 || numbers.dim() != 2 || numbers.size(1) != 2)
    failf(name, "load_state_dict: \"{}\" is {} {}, expected float64 (k, 2)", releases_name, numbers.dtype(),
          numbers.shape());
  std::vector<Release> releases;
  for (Index i = 0; i < numbers.size(0); ++i) {
    const double multiplier = numbers.data<double>()[2 * i], steps = numbers.data<double>()[2 * i + 1];
    if (!(multiplier >= 0) || !(steps >= 1 && steps <= 1e15) || steps != std::floor(steps))
      failf(name, "load_state_dict: \"{}\" says {} steps with a noise multiplier of {}", releases_name, steps,
            multiplier);
    releases.push_back({multiplier, std::int64_t(steps)});
  }
  if (options().seed.has_value() != place.defined())
    failf(name, "load_state_dict: the state was saved {} a seed, and the optimiser is made {} one",
          place.defined() ? "with" : "without", place.defined() ? "without" : "with");
  if (place.defined() && (place.dtype() != int64 || place.shape() != Shape{2}))
    failf(name, "load_state_dict: \"{}\" is {} {}, expected int64 (2)", generator_name, place.dtype(), place.shape());
  Optimizer::load_state_dict(rest);
  releases_ = std::move(releases);
  if (place.defined()) {
    const auto* words = place.data<std::int64_t>();
    generator_.set_state({std::uint64_t(words[0]), std::uint64_t(words[1])});
  }
}

}  // namespace gradus::optim
