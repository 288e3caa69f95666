#pragma once
// Learning rates that change while training.
//
//   optim::CosineAnnealingLR schedule{optimizer, {.T_max = 100}};
//   for (...) {
//     optimizer.step();
//     schedule.step();
//   }
//
// A schedule is a function of the step and of the learning rate that the optimiser had when the schedule was made (the
// base), and of nothing else: lr_at(step) tells the future, and a rate set by hand lasts until the next step(). Step 0
// applies at once. Steps are what the caller makes of them, batches or epochs. Names, options and values are PyTorch's.
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradus/optim/optimizer.hpp"

namespace gradus::optim {

/// base * factor for the first total_iters steps, then base.
struct ConstantLROptions {
  double factor = 1.0 / 3;
  Index total_iters = 5;

  static constexpr const char* name = "ConstantLR";
  void check() const;
  double lr_at(Index step, double base) const;
};

/// From base * start_factor to base * end_factor in a straight line of total_iters steps: the usual warm-up.
struct LinearLROptions {
  double start_factor = 1.0 / 3;
  double end_factor = 1;
  Index total_iters = 5;

  static constexpr const char* name = "LinearLR";
  void check() const;
  double lr_at(Index step, double base) const;
};

/// base (1 - step / total_iters)^power, 0 from total_iters on.
struct PolynomialLROptions {
  Index total_iters = 5;
  double power = 1;

  static constexpr const char* name = "PolynomialLR";
  void check() const;
  double lr_at(Index step, double base) const;
};

/// Times gamma every step_size steps.
struct StepLROptions {
  Index step_size = 0;  ///< has to be given
  double gamma = 0.1;

  static constexpr const char* name = "StepLR";
  void check() const;
  double lr_at(Index step, double base) const;
};

/// Times gamma at each of the milestones.
struct MultiStepLROptions {
  std::vector<Index> milestones = {};  ///< rising
  double gamma = 0.1;

  static constexpr const char* name = "MultiStepLR";
  void check() const;
  double lr_at(Index step, double base) const;
};

/// Times gamma at every step.
struct ExponentialLROptions {
  double gamma = 0;  ///< has to be given

  static constexpr const char* name = "ExponentialLR";
  void check() const;
  double lr_at(Index step, double base) const;
};

/// eta_min + (base - eta_min) (1 + cos(pi step / T_max)) / 2: down in T_max steps, and up again after that.
/// Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), equation 5.
struct CosineAnnealingLROptions {
  Index T_max = 0;  ///< has to be given
  double eta_min = 0;

  static constexpr const char* name = "CosineAnnealingLR";
  void check() const;
  double lr_at(Index step, double base) const;
};

/// The same, starting over after T_0 steps, then after T_0 T_mult more, T_0 T_mult^2, ...
struct CosineAnnealingWarmRestartsOptions {
  Index T_0 = 0;  ///< has to be given
  Index T_mult = 1;
  double eta_min = 0;

  static constexpr const char* name = "CosineAnnealingWarmRestarts";
  void check() const;
  double lr_at(Index step, double base) const;
};

/// base (step + 1) / (warmup_steps + 1) for warmup_steps steps, then a cosine from base to eta_min, reached at
/// total_steps and kept.
struct WarmupCosineOptions {
  Index warmup_steps = 0;
  Index total_steps = 0;  ///< has to be given
  double eta_min = 0;

  static constexpr const char* name = "WarmupCosine";
  void check() const;
  double lr_at(Index step, double base) const;
};

enum class Anneal : std::uint8_t { cos, linear };

/// From max_lr / div_factor up to max_lr, and down to max_lr / div_factor / final_div_factor, while the momentum (for
/// Adam, beta1) goes the other way. The base is not used. Throws when stepped beyond its end. Smith and Topin,
/// "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates" (2019).
struct OneCycleLROptions {
  double max_lr = 0;       ///< has to be given
  Index total_steps = 0;   ///< has to be given
  double pct_start = 0.3;  ///< the part of the steps in which the rate rises
  Anneal anneal_strategy = Anneal::cos;
  bool cycle_momentum = true;
  double base_momentum = 0.85;
  double max_momentum = 0.95;
  double div_factor = 25;
  double final_div_factor = 1e4;
  bool three_phase = false;  ///< down to the initial rate as fast as up, then on to the last

  static constexpr const char* name = "OneCycleLR";
  void check() const;
  double lr_at(Index step, double base) const;
  std::optional<double> momentum_at(Index step) const;

 private:
  double between(Index step, double low, double high, double last) const;
};

/// base * factor(step).
struct LambdaLROptions {
  std::function<double(Index step)> factor;

  static constexpr const char* name = "LambdaLR";
  void check() const;
  double lr_at(Index step, double base) const;
};

/// A schedule as a function, made from the options of any of them.
class Curve {
 public:
  template <class Options>
  requires(!std::is_same_v<std::remove_cvref_t<Options>, Curve>)
      Curve(Options options) {  // NOLINT(google-explicit-constructor): lists of options read as lists of curves
    options.check();
    if constexpr (requires { options.momentum_at(Index{}); })
      momentum_at_ = [options](Index step) { return options.momentum_at(step); };
    lr_at_ = [options = std::move(options)](Index step, double base) { return options.lr_at(step, base); };
  }
  double lr_at(Index step, double base) const { return lr_at_(step, base); }
  std::optional<double> momentum_at(Index step) const { return momentum_at_ ? momentum_at_(step) : std::nullopt; }

 private:
  std::function<double(Index, double)> lr_at_;
  std::function<std::optional<double>(Index)> momentum_at_;
};

/// One schedule after the other: the next one begins, with its step 0, at each of the milestones.
///   SequentialLR{optimizer, {.schedules = {LinearLROptions{}, ExponentialLROptions{.gamma = 0.9}}, .milestones = {5}}}
struct SequentialLROptions {
  std::vector<Curve> schedules;
  std::vector<Index> milestones;  ///< rising; one less than schedules

  static constexpr const char* name = "SequentialLR";
  void check() const;
  double lr_at(Index step, double base) const;
  std::optional<double> momentum_at(Index step) const;

 private:
  std::pair<std::size_t, Index> place(Index step) const;
};

class Schedule {
 public:
  /// Sets the rate of step 0. The optimiser must outlive the schedule.
  Schedule(const char* name, Optimizer& optimizer, Curve curve);
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  /// Goes on to the next step and sets its rate, for every parameter group from a base of its own.
  void step();
  /// How often step() was called.
  Index last_step() const { return last_step_; }
  /// The rate at any step >= 0; changes nothing.
  double lr_at(Index step, std::size_t group = 0) const;

  /// Position and bases; the options are the program's.
  NamedTensors state_dict() const;
  /// Continues where state_dict() was taken, and sets the rate. Throws, and changes nothing, when the state is not one
  /// of such a schedule.
  void load_state_dict(const NamedTensors& state);

 private:
  void apply(Index step, const std::vector<double>& bases);

  const char* name_;
  Optimizer* optimizer_;
  Curve curve_;
  std::vector<double> bases_;
  Index last_step_ = 0;
};

template <class Options>
class ScheduleWith : public Schedule {
 public:
  ScheduleWith(Optimizer& optimizer, Options options) : Schedule(Options::name, optimizer, Curve(std::move(options))) {}
};

using ConstantLR = ScheduleWith<ConstantLROptions>;
using LinearLR = ScheduleWith<LinearLROptions>;
using PolynomialLR = ScheduleWith<PolynomialLROptions>;
using StepLR = ScheduleWith<StepLROptions>;
using MultiStepLR = ScheduleWith<MultiStepLROptions>;
using ExponentialLR = ScheduleWith<ExponentialLROptions>;
using CosineAnnealingLR = ScheduleWith<CosineAnnealingLROptions>;
using CosineAnnealingWarmRestarts = ScheduleWith<CosineAnnealingWarmRestartsOptions>;
using WarmupCosine = ScheduleWith<WarmupCosineOptions>;
using OneCycleLR = ScheduleWith<OneCycleLROptions>;
using LambdaLR = ScheduleWith<LambdaLROptions>;
using SequentialLR = ScheduleWith<SequentialLROptions>;

struct ReduceLROnPlateauOptions {
  bool maximize = false;    ///< the metric is to rise
  double factor = 0.1;      ///< what the rate is multiplied by
  Index patience = 10;      ///< steps without improvement that are borne
  double threshold = 1e-4;  ///< the smallest change that is an improvement
  bool relative = true;     ///< the threshold is a part of the best metric's size
  Index cooldown = 0;       ///< steps after a reduction that do not count
  double min_lr = 0;
  double eps = 1e-8;  ///< reductions by no more than this are left out
};

/// Lowers the rate when a metric (of the validation data, say) has stopped improving. A metric that is NaN is no
/// improvement.
class ReduceLROnPlateau {
 public:
  /// The optimiser must outlive the schedule.
  explicit ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options = {});

  void step(double metric);
  double best() const { return best_; }
  /// Whether the metric is to rise.
  bool maximize() const { return options_.maximize; }

  NamedTensors state_dict() const;
  /// As Schedule::load_state_dict; the rates themselves are part of the optimiser's state.
  void load_state_dict(const NamedTensors& state);

 private:
  Optimizer* optimizer_;
  ReduceLROnPlateauOptions options_;
  double best_;
  Index bad_steps_ = 0, cooldown_left_ = 0;
};

}  // namespace gradus::optim
