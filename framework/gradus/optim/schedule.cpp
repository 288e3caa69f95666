#include "gradus/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::optim {
namespace {

using detail::check_not_negative;

void check_count(const char* schedule, const char* option, Index value, Index least) {
  if (value < least) failf(schedule, "{} is {}; it must be at least {}", option, value, least);
}

void check_rising(const char* schedule, const std::vector<Index>& milestones) {
  if (!std::is_sorted(milestones.begin(), milestones.end()) || (!milestones.empty() && milestones.front() < 0))
    failf(schedule, "milestones are {}; they must be >= 0 and rising", fmt::join(milestones, ", "));
}

// From `start` to `end` along half a wave, for t from 0 to 1.
double cosine(double start, double end, double t) {
  return end + (start - end) * (1 + std::cos(std::numbers::pi * t)) / 2;
}

}  // namespace

// -- curves

void ConstantLROptions::check() const {
  check_not_negative(name, "factor", factor);
  check_count(name, "total_iters", total_iters, 0);
}
double ConstantLROptions::lr_at(Index step, double base) const { return step < total_iters ? base * factor : base; }

void LinearLROptions::check() const {
  check_not_negative(name, "start_factor", start_factor);
  check_not_negative(name, "end_factor", end_factor);
  check_count(name, "total_iters", total_iters, 1);
}
double LinearLROptions::lr_at(Index step, double base) const {
  return base *
         (start_factor + (end_factor - start_factor) * double(std::min(step, total_iters)) / double(total_iters));
}

void PolynomialLROptions::check() const {
  check_not_negative(name, "power", power);
  check_count(name, "total_iters", total_iters, 1);
}
double PolynomialLROptions::lr_at(Index step, double base) const {
  return step >= total_iters ? 0 : base * std::pow(1 - double(step) / double(total_iters), power);
}

void StepLROptions::check() const {
  check_count(name, "step_size", step_size, 1);
  check_not_negative(name, "gamma", gamma);
}
double StepLROptions::lr_at(Index step, double base) const { return base * std::pow(gamma, double(step / step_size)); }

void MultiStepLROptions::check() const {
  check_rising(name, milestones);
  check_not_negative(name, "gamma", gamma);
}
double MultiStepLROptions::lr_at(Index step, double base) const {
  const auto passed = std::upper_bound(milestones.begin(), milestones.end(), step) - milestones.begin();
  return base * std::pow(gamma, double(passed));
}

void ExponentialLROptions::check() const {
  if (!(gamma > 0 && std::isfinite(gamma))) failf(name, "gamma is {}; it must be a finite number > 0", gamma);
}
double ExponentialLROptions::lr_at(Index step, double base) const { return base * std::pow(gamma, double(step)); }

void CosineAnnealingLROptions::check() const {
  check_count(name, "T_max", T_max, 1);
  check_not_negative(name, "eta_min", eta_min);
}
double CosineAnnealingLROptions::lr_at(Index step, double base) const {
  // The wave has a period of 2 T_max; whole numbers keep the argument small and the bits good.
  return cosine(base, eta_min, double(step % (2 * T_max)) / double(T_max));
}

void CosineAnnealingWarmRestartsOptions::check() const {
  check_count(name, "T_0", T_0, 1);
  check_count(name, "T_mult", T_mult, 1);
  check_not_negative(name, "eta_min", eta_min);
}
double CosineAnnealingWarmRestartsOptions::lr_at(Index step, double base) const {
  Index length = T_0;
  if (T_mult == 1) {
    step %= T_0;
  } else {
    while (step >= length) {
      step -= length;
      if (__builtin_mul_overflow(length, T_mult, &length)) length = std::numeric_limits<Index>::max();
    }
  }
  return cosine(base, eta_min, double(step) / double(length));
}

void WarmupCosineOptions::check() const {
  check_count(name, "warmup_steps", warmup_steps, 0);
  check_count(name, "total_steps", total_steps, 1);
  if (total_steps <= warmup_steps)
    failf(name, "total_steps is {}; it must be above warmup_steps, {}", total_steps, warmup_steps);
  check_not_negative(name, "eta_min", eta_min);
}
double WarmupCosineOptions::lr_at(Index step, double base) const {
  if (step < warmup_steps) return base * double(step + 1) / double(warmup_steps + 1);
  if (step >= total_steps) return eta_min;
  return cosine(base, eta_min, double(step - warmup_steps) / double(total_steps - warmup_steps));
}

void OneCycleLROptions::check() const {
  if (!(max_lr > 0 && std::isfinite(max_lr))) failf(name, "max_lr is {}; it must be a finite number > 0", max_lr);
  check_count(name, "total_steps", total_steps, 1);
  if (!(pct_start >= 0 && pct_start <= 1)) failf(name, "pct_start is {}; it must be in [0, 1]", pct_start);
  check_not_negative(name, "base_momentum", base_momentum);
  check_not_negative(name, "max_momentum", max_momentum);
  if (!(div_factor > 0 && std::isfinite(div_factor)))
    failf(name, "div_factor is {}; it must be a finite number > 0", div_factor);
  if (!(final_div_factor > 0 && std::isfinite(final_div_factor)))
    failf(name, "final_div_factor is {}; it must be a finite number > 0", final_div_factor);
}

double OneCycleLROptions::between(Index step, double low, double high, double last) const {
  const double total = double(total_steps), peak = pct_start * total - 1;
  const auto anneal = [&](double start, double end, double first, double final) {
    // A phase without length has been passed.
    const double t = final > first ? std::clamp((double(step) - first) / (final - first), 0.0, 1.0) : 1.0;
    return anneal_strategy == Anneal::cos ? cosine(start, end, t) : start + (end - start) * t;
  };
  if (double(step) <= peak) return anneal(low, high, 0, peak);
  if (!three_phase) return anneal(high, last, peak, total - 1);
  const double back = 2 * pct_start * total - 2;
  return double(step) <= back ? anneal(high, low, peak, back) : anneal(low, last, back, total - 1);
}

double OneCycleLROptions::lr_at(Index step, double) const {
  // The step after the last is where a loop ends that steps the schedule after every batch.
  if (step > total_steps) failf(name, "step {} is beyond total_steps, {}", step, total_steps);
  const double low = max_lr / div_factor;
  return between(step, low, max_lr, low / final_div_factor);
}

std::optional<double> OneCycleLROptions::momentum_at(Index step) const {
  if (!cycle_momentum) return std::nullopt;
  return between(step, max_momentum, base_momentum, max_momentum);
}

void LambdaLROptions::check() const {
  if (!factor) fail(name, "factor is no function");
}
double LambdaLROptions::lr_at(Index step, double base) const { return base * factor(step); }

void SequentialLROptions::check() const {
  if (schedules.empty() || milestones.size() + 1 != schedules.size())
    failf(name, "{} schedules need {} milestones, got {}", schedules.size(),
          std::max<Index>(0, Index(schedules.size()) - 1), milestones.size());
  check_rising(name, milestones);
}
std::pair<std::size_t, Index> SequentialLROptions::place(Index step) const {
  const auto passed = std::size_t(std::upper_bound(milestones.begin(), milestones.end(), step) - milestones.begin());
  return {passed, passed == 0 ? step : step - milestones[passed - 1]};
}
double SequentialLROptions::lr_at(Index step, double base) const {
  const auto [which, inside] = place(step);
  return schedules[which].lr_at(inside, base);
}
std::optional<double> SequentialLROptions::momentum_at(Index step) const {
  const auto [which, inside] = place(step);
  return schedules[which].momentum_at(inside);
}

// -- schedules

Schedule::Schedule(const char* name, Optimizer& optimizer, Curve curve)
    : name_(name), optimizer_(&optimizer), curve_(std::move(curve)) {
  for (std::size_t group = 0; group < optimizer.groups(); ++group) bases_.push_back(optimizer.lr(group));
  apply(0, bases_);
}

void Schedule::step() {
  apply(last_step_ + 1, bases_);
  ++last_step_;
}

double Schedule::lr_at(Index step, std::size_t group) const {
  if (step < 0) failf(name_, "step {} is before the first", step);
  if (group >= bases_.size())
    failf(name_, "there is no parameter group {}; the optimiser has {}", group, bases_.size());
  return curve_.lr_at(step, bases_[group]);
}

void Schedule::apply(Index step, const std::vector<double>& bases) {
  std::vector<double> rates;
  for (const double base : bases) {
    rates.push_back(curve_.lr_at(step, base));
    detail::check_not_negative(name_, "lr", rates.back());
  }
  if (const std::optional<double> momentum = curve_.momentum_at(step)) {
    const char* const option = optimizer_->has_option("momentum") ? "momentum" : "beta1";
    if (!optimizer_->has_option(option))
      fail(name_, "the optimiser has no momentum to cycle; pass {.cycle_momentum = false}");
    optimizer_->set_option(option, *momentum);
  }
  for (std::size_t group = 0; group < rates.size(); ++group) optimizer_->set_lr(rates[group], group);
}

namespace {

// The entry `name`: `count` numbers of type `dtype`.
const Tensor& entry(const char* schedule, const NamedTensors& state, const std::string& name, DType dtype,
                    const Shape& shape) {
  const auto at = std::find_if(state.begin(), state.end(), [&](const auto& each) { return each.first == name; });
  if (at == state.end()) failf(schedule, "load_state_dict: missing \"{}\"", name);
  const Tensor& found = at->second;
  if (!found.defined() || found.dtype() != dtype || found.shape() != shape)
    failf(schedule, "load_state_dict: \"{}\" is {}, expected {} {}", name,
          found.defined() ? fmt::format("{} {}", found.dtype(), found.shape()) : "undefined", dtype, shape);
  return found;
}

void check_entries(const char* schedule, const NamedTensors& state, std::size_t expected) {
  if (state.size() != expected) {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : state) names.push_back(name);
    failf(schedule, "load_state_dict: expected {} entries, got {}: {}", expected, state.size(), fmt::join(names, ", "));
  }
}

Tensor whole(Index value) { return from_vector(std::vector<std::int64_t>{value}, {}); }

}  // namespace

NamedTensors Schedule::state_dict() const {
  return {{fmt::format("{}.last_step", name_), whole(last_step_)},
          {fmt::format("{}.base_lrs", name_), from_vector(bases_)}};
}

void Schedule::load_state_dict(const NamedTensors& state) {
  const Index step = entry(name_, state, fmt::format("{}.last_step", name_), int64, {}).item<std::int64_t>();
  const std::vector<double> bases =
      to_vector<double>(entry(name_, state, fmt::format("{}.base_lrs", name_), float64, {Index(bases_.size())}));
  check_entries(name_, state, 2);
  if (step < 0) failf(name_, "load_state_dict: last_step is {}; it must be at least 0", step);
  for (const double base : bases) check_not_negative(name_, "base_lrs", base);
  apply(step, bases);
  bases_ = bases;
  last_step_ = step;
}

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options)
    : optimizer_(&optimizer),
      options_(options),
      best_(options.maximize ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity()) {
  constexpr auto name = "ReduceLROnPlateau";
  if (!(options.factor > 0 && options.factor < 1)) failf(name, "factor is {}; it must be in (0, 1)", options.factor);
  check_count(name, "patience", options.patience, 0);
  check_not_negative(name, "threshold", options.threshold);
  check_count(name, "cooldown", options.cooldown, 0);
  check_not_negative(name, "min_lr", options.min_lr);
  check_not_negative(name, "eps", options.eps);
}

void ReduceLROnPlateau::step(double metric) {
  const double sign = options_.maximize ? 1 : -1;
  const double margin = options_.threshold * (options_.relative ? std::abs(best_) : 1);
  // At the start best_ is infinite, and a part of infinity is no measure.
  const double bar = std::isinf(best_) ? best_ : best_ + sign * margin;
  if (sign * metric > sign * bar) {
    best_ = metric;
    bad_steps_ = 0;
  } else {
    ++bad_steps_;
  }
  if (cooldown_left_ > 0) {
    --cooldown_left_;
    bad_steps_ = 0;
  }
  if (bad_steps_ <= options_.patience) return;
  for (std::size_t group = 0; group < optimizer_->groups(); ++group) {
    const double old = optimizer_->lr(group), lower = std::max(old * options_.factor, options_.min_lr);
    if (old - lower > options_.eps) optimizer_->set_lr(lower, group);
  }
  cooldown_left_ = options_.cooldown;
  bad_steps_ = 0;
}

NamedTensors ReduceLROnPlateau::state_dict() const {
  return {{"ReduceLROnPlateau.best", full({}, best_, {.dtype = float64})},
          {"ReduceLROnPlateau.bad_steps", whole(bad_steps_)},
          {"ReduceLROnPlateau.cooldown_left", whole(cooldown_left_)}};
}

void ReduceLROnPlateau::load_state_dict(const NamedTensors& state) {
  constexpr auto name = "ReduceLROnPlateau";
  const double best = entry(name, state, "ReduceLROnPlateau.best", float64, {}).item();
  const Index bad = entry(name, state, "ReduceLROnPlateau.bad_steps", int64, {}).item<std::int64_t>();
  const Index left = entry(name, state, "ReduceLROnPlateau.cooldown_left", int64, {}).item<std::int64_t>();
  check_entries(name, state, 3);
  check_count(name, "bad_steps", bad, 0);
  check_count(name, "cooldown_left", left, 0);
  best_ = best;
  bad_steps_ = bad;
  cooldown_left_ = left;
}

}  // namespace gradus::optim
