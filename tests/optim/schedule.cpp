#include "gradus/optim/schedule.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "gradus/optim.hpp"
#include "gradus/tensor.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::optim;

namespace {

Tensor parameter() { return zeros({1}, {.requires_grad = true}); }

void check_close(double got, double expected) {
  CAPTURE(got);
  CAPTURE(expected);
  CHECK(std::abs(got - expected) <= 1e-12);
}

template <class Options>
void check_schedule(const char* what, const Options& options, const std::vector<double>& expected) {
  CAPTURE(std::string(what));
  SGD optimizer{{parameter()}, {.lr = 0.7, .momentum = 0.9}};
  ScheduleWith<Options> schedule{optimizer, options};
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    check_close(optimizer.lr(), expected[step]);
    check_close(schedule.lr_at(Index(step)), expected[step]);
    CHECK(schedule.last_step() == Index(step));
    schedule.step();
  }
}

void check_one_cycle(const char* what, const OneCycleLROptions& options, const std::vector<double>& expected) {
  CAPTURE(std::string(what));
  SGD sgd{{parameter()}, {.lr = 0.7, .momentum = 0.9}};
  Adam adam{{parameter()}};
  OneCycleLR for_sgd{sgd, options}, for_adam{adam, options};
  const std::size_t steps = expected.size() / 2;
  REQUIRE(Index(steps) == options.total_steps);
  for (std::size_t step = 0; step < steps; ++step) {
    CAPTURE(step);
    check_close(sgd.lr(), expected[step]);
    check_close(adam.lr(), expected[step]);
    check_close(sgd.option("momentum"), expected[steps + step]);
    if (options.cycle_momentum) check_close(adam.options().betas.first, expected[steps + step]);
    for_sgd.step();
    for_adam.step();
  }
  check_close(sgd.lr(), expected[steps - 1]);
  check_contains(thrown([&] { for_sgd.step(); }), {"OneCycleLR", "total_steps, 25"});
  CHECK(for_sgd.last_step() == options.total_steps);
}

void check_plateau(const char* what, const ReduceLROnPlateauOptions& options, const std::vector<double>& expected) {
  CAPTURE(std::string(what));
  SGD optimizer{{parameter()}, {.lr = 0.7}};
  ReduceLROnPlateau schedule{optimizer, options};
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    check_close(optimizer.lr(), expected[step]);
    const double t = double(step);
    const double metric = 1 / (1 + std::min(t, 6.0)) + 0.01 * std::sin(t) + (step > 15 ? 0.05 : 0);
    schedule.step(options.maximize ? 2 - metric : metric);
  }
}

}  // namespace

TEST_CASE("schedules agree with PyTorch") {
#define SCHEDULE(options, ...) check_schedule(#options, options, {__VA_ARGS__});
#define ONE_CYCLE(options, ...) check_one_cycle(#options, options, {__VA_ARGS__});
#define PLATEAU(options, ...) check_plateau(#options, options, {__VA_ARGS__});
#include "schedules.inc"
#undef SCHEDULE
#undef ONE_CYCLE
#undef PLATEAU
}

TEST_CASE("a schedule is a function of the step and the base") {
  SGD optimizer{{parameter()}, {.lr = 0.8}};
  CosineAnnealingLR schedule{optimizer, {.T_max = 100, .eta_min = 0}};
  CHECK(schedule.lr_at(0) == 0.8);
  CHECK(schedule.lr_at(50) == doctest::Approx(0.4));
  CHECK(schedule.lr_at(100) == doctest::Approx(0).epsilon(1e-15));
  CHECK(schedule.lr_at(200'000'000'000) == 0.8);
  CHECK(optimizer.lr() == 0.8);
  CHECK(schedule.last_step() == 0);
  optimizer.set_lr(5);
  schedule.step();
  CHECK(optimizer.lr() == schedule.lr_at(1));
  check_contains(thrown([&] { (void)schedule.lr_at(-1); }), {"CosineAnnealingLR", "-1"});
  check_contains(thrown([&] { (void)schedule.lr_at(0, 1); }), {"CosineAnnealingLR", "group 1"});
  // Restarts that grow beyond all steps do not overflow.
  CHECK(CosineAnnealingWarmRestartsOptions{.T_0 = 3, .T_mult = 1'000'000'000}.lr_at(9'000'000'000'000'000'000, 1) > 0);
}

TEST_CASE("every group has its own base") {
  AdamW optimizer{{{.params = {parameter()}, .options = {.lr = 1}}, {.params = {parameter()}, .options = {.lr = 0.1}}}};
  StepLR schedule{optimizer, {.step_size = 2, .gamma = 0.5}};
  schedule.step();
  schedule.step();
  CHECK(optimizer.lr(0) == 0.5);
  CHECK(optimizer.lr(1) == 0.05);
  CHECK(schedule.lr_at(4, 1) == doctest::Approx(0.025));
}

TEST_CASE("a schedule that was saved and loaded goes on alike") {
  SGD optimizer{{parameter()}, {.lr = 0.8}}, other{{parameter()}, {.lr = 0.1}};
  WarmupCosine schedule{optimizer, {.warmup_steps = 3, .total_steps = 20}},
      resumed{other, {.warmup_steps = 3, .total_steps = 20}};
  for (int i = 0; i < 7; ++i) schedule.step();
  resumed.load_state_dict(schedule.state_dict());
  CHECK(resumed.last_step() == 7);
  for (int i = 0; i < 15; ++i) {
    CHECK(other.lr() == optimizer.lr());
    schedule.step();
    resumed.step();
  }

  ReduceLROnPlateau plateau{optimizer, {.patience = 3}}, again{other, {.patience = 3}};
  optimizer.set_lr(1);
  other.set_lr(1);
  for (const double metric : {1.0, 2.0, 2.0}) plateau.step(metric);
  again.load_state_dict(plateau.state_dict());
  CHECK(again.best() == 1);
  for (int i = 0; i < 3; ++i) {
    plateau.step(2);
    again.step(2);
    CHECK(other.lr() == optimizer.lr());
  }
  CHECK(other.lr() == doctest::Approx(0.1));
}

TEST_CASE("a schedule's state that does not fit is refused and changes nothing") {
  SGD optimizer{{parameter()}, {.lr = 0.8}};
  ExponentialLR schedule{optimizer, {.gamma = 0.5}};
  schedule.step();
  const NamedTensors good = schedule.state_dict();
  const auto refused = [&](const NamedTensors& state, std::initializer_list<const char*> words) {
    check_contains(thrown([&] { schedule.load_state_dict(state); }), words);
    CHECK(schedule.last_step() == 1);
    CHECK(optimizer.lr() == 0.4);
    CHECK(schedule.lr_at(0) == 0.8);
  };
  refused({}, {"ExponentialLR", "missing \"ExponentialLR.last_step\""});
  refused({good[0]}, {"missing \"ExponentialLR.base_lrs\""});
  refused({good[0], good[1], {"x", ones({1})}}, {"expected 2 entries, got 3", "x"});
  refused({{good[0].first, ones({})}, good[1]}, {"float32 (), expected int64 ()"});
  refused({{good[0].first, Tensor{}}, good[1]}, {"undefined"});
  refused({{good[0].first, full({}, -2, {.dtype = int64})}, good[1]}, {"last_step is -2"});
  refused({good[0], {good[1].first, ones({2}, {.dtype = float64})}}, {"float64 (2), expected float64 (1)"});
  refused({good[0], {good[1].first, full({1}, std::nan(""), {.dtype = float64})}}, {"base_lrs is nan"});
  refused(StepLR{optimizer, {.step_size = 1000}}.state_dict(), {"missing \"ExponentialLR.last_step\""});
}

TEST_CASE("a metric that is NaN is no improvement") {
  SGD optimizer{{parameter()}, {.lr = 1}};
  ReduceLROnPlateau schedule{optimizer, {.factor = 0.5, .patience = 1}};
  schedule.step(std::nan(""));
  schedule.step(std::nan(""));
  CHECK(optimizer.lr() == 0.5);
  schedule.step(3);
  CHECK(schedule.best() == 3);
  // Below zero a smaller size is worse.
  ReduceLROnPlateau negative{optimizer, {.factor = 0.5, .patience = 0, .threshold = 0.1}};
  negative.step(-10);
  negative.step(-9.5);
  CHECK(negative.best() == -10);
  CHECK(optimizer.lr() == 0.25);
}

TEST_CASE("misuse of schedules is named") {
  SGD optimizer{{parameter()}, {.lr = 1}};
  check_contains(thrown([&] { StepLR{optimizer, {}}; }), {"StepLR", "step_size is 0"});
  check_contains(thrown([&] { StepLR{optimizer, {.step_size = 1, .gamma = -1}}; }), {"gamma is -1"});
  check_contains(thrown([&] { MultiStepLR{optimizer, {.milestones = {3, 2}}}; }), {"MultiStepLR", "3, 2"});
  check_contains(thrown([&] { ExponentialLR{optimizer, {}}; }), {"ExponentialLR", "gamma is 0"});
  check_contains(thrown([&] { ConstantLR{optimizer, {.factor = -1}}; }), {"ConstantLR", "factor is -1"});
  check_contains(thrown([&] { LinearLR{optimizer, {.total_iters = 0}}; }), {"LinearLR", "total_iters is 0"});
  check_contains(thrown([&] { LinearLR{optimizer, {.start_factor = INFINITY}}; }), {"start_factor is inf"});
  check_contains(thrown([&] { PolynomialLR{optimizer, {.power = -1}}; }), {"PolynomialLR", "power is -1"});
  check_contains(thrown([&] { CosineAnnealingLR{optimizer, {}}; }), {"CosineAnnealingLR", "T_max is 0"});
  check_contains(thrown([&] { CosineAnnealingLR{optimizer, {.T_max = 1, .eta_min = -1}}; }), {"eta_min is -1"});
  check_contains(thrown([&] { CosineAnnealingWarmRestarts{optimizer, {.T_0 = 1, .T_mult = 0}}; }), {"T_mult is 0"});
  check_contains(thrown([&] {
                   WarmupCosine{optimizer, {.warmup_steps = 5, .total_steps = 5}};
                 }),
                 {"total_steps is 5", "warmup_steps, 5"});
  check_contains(thrown([&] { OneCycleLR{optimizer, {.total_steps = 3}}; }), {"OneCycleLR", "max_lr is 0"});
  check_contains(thrown([&] { OneCycleLR{optimizer, {.max_lr = 1}}; }), {"total_steps is 0"});
  check_contains(thrown([&] {
                   OneCycleLR{optimizer, {.max_lr = 1, .total_steps = 3, .pct_start = 1.5}};
                 }),
                 {"pct_start is 1.5"});
  check_contains(thrown([&] {
                   OneCycleLR{optimizer, {.max_lr = 1, .total_steps = 3, .div_factor = 0}};
                 }),
                 {"div_factor is 0"});
  check_contains(thrown([&] { LambdaLR{optimizer, {}}; }), {"LambdaLR", "factor"});
  check_contains(thrown([&] {
                   LambdaLR{optimizer, {.factor = [](Index) { return -1.0; }}};
                 }),
                 {"LambdaLR", "lr is -1"});
  check_contains(thrown([&] { SequentialLR{optimizer, {}}; }), {"SequentialLR", "0 schedules"});
  check_contains(thrown([&] {
                   SequentialLR{optimizer, {.schedules = {StepLROptions{.step_size = 1}}, .milestones = {1}}};
                 }),
                 {"1 schedules need 0 milestones, got 1"});
  check_contains(thrown([&] { SequentialLR{optimizer, {.schedules = {StepLROptions{}}}}; }), {"StepLR", "step_size"});
  check_contains(thrown([&] { ReduceLROnPlateau{optimizer, {.factor = 1}}; }), {"ReduceLROnPlateau", "factor is 1"});
  check_contains(thrown([&] { ReduceLROnPlateau{optimizer, {.patience = -1}}; }), {"patience is -1"});
  Adagrad without{{parameter()}};
  check_contains(thrown([&] {
                   OneCycleLR{without, {.max_lr = 1, .total_steps = 3}};
                 }),
                 {"no momentum to cycle", "cycle_momentum"});
  CHECK(optimizer.lr() == 1);
}
