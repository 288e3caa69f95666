#include "gradus/train/fit.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/autograd/mode.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/optim/ema.hpp"
#include "gradus/optim/schedule.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::train;

namespace {

data::Dataset two_clouds(Index n, std::uint64_t seed) {
  Generator generator(seed);
  const Tensor y = randint(0, 2, {n}, {.generator = &generator});
  const Tensor x = randn({n, 2}, {.generator = &generator}) + (2.0 * y.to(float32) - 1.0).unsqueeze(1);
  return {.x = x, .y = y};
}

nn::Sequential network() {
  return {nn::Linear{2, 8}, nn::BatchNorm1d{8}, nn::ELU{}, nn::Dropout{0.2}, nn::Linear{8, 2}};
}

struct Run {
  std::vector<double> losses;
  NamedTensors state;
  History history;
};

Run run(FitOptions options, Index batch_size = 16, nn::Sequential (*make)() = network) {
  manual_seed(5);
  nn::Sequential net = make();
  const data::Dataset set = two_clouds(96, 1);
  optim::SGD optimizer{net.parameters(), {.lr = 0.05, .momentum = 0.9}};
  data::DataLoader loader{set, {.batch_size = batch_size, .shuffle = true, .seed = 3}};
  Run result;
  options.on_step = [&, inner = options.on_step](const StepRecord& record) {
    result.losses.push_back(record.loss);
    return !inner || inner(record);
  };
  result.history = fit(net, optimizer, loader, options);
  CHECK(net.training());
  for (const auto& [name, tensor] : net.state_dict()) result.state.emplace_back(name, tensor.detach().clone());
  return result;
}

bool same_state(const NamedTensors& a, const NamedTensors& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i)
    same = a[i].first == b[i].first && allclose(a[i].second, b[i].second, {.rtol = 0, .atol = 0});
  return same;
}

}  // namespace

TEST_CASE("the same seed gives the same run, and looking at validation data changes nothing in it") {
  const data::Dataset validation = two_clouds(50, 2);
  const Run plain = run({.epochs = 3}), again = run({.epochs = 3});
  const Run watched = run({.epochs = 3, .validation = &validation});
  CHECK(plain.losses.size() == 18);
  CHECK(plain.losses == again.losses);
  CHECK(plain.losses == watched.losses);
  CHECK(same_state(plain.state, again.state));
  CHECK(same_state(plain.state, watched.state));
  CHECK(std::isnan(plain.history.epochs[0].val_loss));
  CHECK(watched.history.epochs[2].val_metric > 0.7);
  CHECK(watched.history.epochs[2].train_loss < watched.history.epochs[0].train_loss);
  CHECK(watched.history.best_epoch.has_value());
}

TEST_CASE("accumulated batches are one larger batch") {
  const auto plain = []() -> nn::Sequential { return {nn::Linear{2, 8}, nn::Tanh{}, nn::Linear{8, 2}}; };
  const Run large = run({.epochs = 2}, 32, +plain), small = run({.epochs = 2, .accumulate = 2}, 16, +plain);
  CHECK(large.losses.size() == small.losses.size());
  for (std::size_t i = 0; i < large.state.size(); ++i)
    CHECK(allclose(large.state[i].second, small.state[i].second, {.rtol = 1e-4, .atol = 1e-6}));
  // Six batches in groups of four: the last group averages two.
  CHECK(run({.epochs = 1, .accumulate = 4}, 16, +plain).losses.size() == 2);
}

TEST_CASE("clipping bounds the gradient that is used and reports the one that came") {
  double largest = 0;
  const auto plain = []() -> nn::Sequential { return {nn::Linear{2, 8}, nn::Tanh{}, nn::Linear{8, 2}}; };
  const Run clipped = run({.epochs = 1,
                           .clip_norm = 1e-3,
                           .on_step =
                               [&](const StepRecord& record) {
                                 CHECK(record.grad_norm > 0);
                                 largest = std::max(largest, record.grad_norm);
                                 return true;
                               }},
                          16, +plain);
  CHECK(largest > 1e-3);
  // The parameters can move by lr clip / (1 - momentum) in each step, no more.
  manual_seed(5);
  nn::Sequential start = plain();
  const NamedTensors before = start.state_dict();
  for (std::size_t i = 0; i < before.size(); ++i)
    CHECK(norm(before[i].second.detach() - clipped.state[i].second).item() <= 6 * 0.05 * 1e-3 * 10 * 1.01);
  run({.epochs = 1, .on_step = [](const StepRecord& record) {
         CHECK(std::isnan(record.grad_norm));
         return true;
       }});
}

TEST_CASE("callbacks see every step and stop the run") {
  std::vector<std::int64_t> steps;
  const Run stopped = run({.epochs = 5, .on_step = [&](const StepRecord& record) {
                             steps.push_back(record.step);
                             return record.step < 8;
                           }});
  CHECK(steps == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(stopped.history.epochs.size() == 1);
  const Run epochs = run({.epochs = 5, .on_epoch = [](const EpochRecord& record) { return record.epoch < 1; }});
  CHECK(epochs.history.epochs.size() == 2);
  CHECK(!epochs.history.stopped_early);
  CHECK(run({.epochs = 0}).losses.empty());
}

TEST_CASE("patience ends a run that gets no better, and keep_best gives back the best state, however the run ended") {
  const data::Dataset validation = two_clouds(20, 2);
  // The metric rises for two epochs and falls then.
  for (const int ending : {0, 1, 2}) {
    CAPTURE(ending);
    int calls = 0;
    const Metric rises_and_falls = [&](const Tensor&, const Tensor&) { return calls++ < 2 ? calls : -calls; };
    NamedTensors at_best;
    manual_seed(5);
    nn::Sequential net = network();
    optim::SGD optimizer{net.parameters(), {.lr = 0.05}};
    const data::Dataset set = two_clouds(96, 1);
    data::DataLoader loader{set, {.batch_size = 16, .seed = 3}};
    int epochs_seen = 0, step_losses = 0;
    const Loss loss = [&](const Tensor& output, const Tensor& target) {
      const bool bad = ending == 1 && epochs_seen == 3 && ++step_losses > 2;
      const Tensor value = nn::cross_entropy(output, target);
      return bad ? value * INFINITY : value;
    };
    const History history = fit(net, optimizer, loader,
                                {.epochs = 20,
                                 .validation = &validation,
                                 .loss = loss,
                                 .metric = rises_and_falls,
                                 .patience = 3,
                                 .keep_best = true,
                                 .on_step = [&](const StepRecord& r) { return ending != 2 || r.step < 20; },
                                 .on_epoch =
                                     [&](const EpochRecord& r) {
                                       ++epochs_seen;
                                       if (r.epoch == 1)
                                         for (const auto& [name, t] : net.state_dict())
                                           at_best.emplace_back(name, t.detach().clone());
                                       return true;
                                     }});
    CHECK(history.best_epoch == 1);
    CHECK(history.stopped_early == (ending == 0));
    CHECK(history.divergence.has_value() == (ending == 1));
    CHECK(history.epochs.size() == (ending == 0 ? 5 : 3));
    CHECK(same_state(net.state_dict(), at_best));
    CHECK(net.training());
  }
}

TEST_CASE("divergence is reported with where it is") {
  const auto diverge = [](auto&& spoil, Tensor x) {
    nn::Sequential net{nn::Linear{2, 4}, nn::ELU{}, nn::Linear{4, 2}};
    spoil(net);
    optim::SGD optimizer{net.parameters(), {.lr = 0.1}};
    const data::Dataset set{.x = x, .y = zeros({x.shape()[0]}, {.dtype = int64})};
    data::DataLoader loader{set, {.batch_size = 4}};
    const History history = fit(net, optimizer, loader, {.epochs = 3});
    REQUIRE(history.divergence.has_value());
    CHECK(history.divergence->epoch == 0);
    CHECK(history.epochs.empty());
    return *history.divergence;
  };
  const auto fill = [](std::size_t layer, double value) {
    return [=](nn::Sequential& net) {
      const NoGrad no_grad;
      net[layer].parameters()[0].fill_(value);
    };
  };
  CHECK(diverge(fill(2, NAN), ones({8, 2})).where == "parameter 2.weight");
  CHECK(diverge(fill(0, 3e38), full({8, 2}, 1e6)).where == "activation 1 (elu)");
  CHECK(diverge(fill(2, 1e38), full({8, 2}, 1e10)).step == 0);
  Tensor bad = ones({8, 2});
  bad.data<float>()[9] = NAN;
  const Divergence divergence = diverge([](nn::Sequential&) {}, bad);
  CHECK(divergence.where == "input");
  CHECK(divergence.step == 1);
}

TEST_CASE("detect_anomaly tells the operation at which a run diverged, forward or backward") {
  const auto diverge = [](const Loss& loss) {
    nn::Sequential net{nn::Linear{2, 4}, nn::ELU{}, nn::Linear{4, 2}};
    optim::SGD optimizer{net.parameters(), {.lr = 0.1}};
    const data::Dataset set{.x = ones({8, 2}), .y = zeros({8}, {.dtype = int64})};
    data::DataLoader loader{set, {.batch_size = 4}};
    const History history = fit(net, optimizer, loader, {.epochs = 3, .loss = loss, .detect_anomaly = true});
    CHECK(net.training());
    return history.divergence ? history.divergence->where : "no divergence";
  };
  CHECK(diverge([](const Tensor& output, const Tensor&) {
          return sum(log(output * 0.0 - 1.0));
        }).find("detect_anomaly: forward of log (shape (4, 2)) gave NaN in 8 of 8 elements") == 0);
  CHECK(diverge([](const Tensor& output, const Tensor&) {
          return sum(sqrt(output * 0.0));
        }).find("detect_anomaly: backward of sqrt (shape (4, 2)) gave") == 0);
  CHECK(diverge({}) == "no divergence");
}

TEST_CASE("evaluation puts back the mode of every module, and gives what one large batch gives") {
  nn::Sequential net = network();
  net[1].eval();  // frozen statistics
  const data::Dataset set = two_clouds(37, 4);
  const Evaluation small = evaluate(net, set, {}, {}, 5), whole = evaluate(net, set);
  CHECK(small.loss == doctest::Approx(whole.loss).epsilon(1e-6));
  CHECK(small.metric == doctest::Approx(whole.metric));
  CHECK(net.training());
  CHECK(net[0].training());
  CHECK(!net[1].training());
  CHECK(net[3].training());
  const Tensor all = predict(net, set.x), parts = predict(net, set.x, 5);
  CHECK(!all.requires_grad());
  CHECK(allclose(all, parts, {.atol = 1e-6}));
  CHECK(predict(net, zeros({0, 2})).shape() == Shape{0, 2});
  CHECK(thrown([&] { (void)evaluate(net, set, {}, {}, 0); }).find("batch_size of 0") != std::string::npos);
  CHECK(thrown([&] { (void)predict(net, set.x, -1); }).find("batch_size of -1") != std::string::npos);
  // An error in the middle puts it back as well.
  CHECK_THROWS_AS((void)predict(net, zeros({3, 7})), Error);
  CHECK(net.training());
  CHECK(!net[1].training());
}

TEST_CASE("regression needs no metric: minus the loss is looked at") {
  nn::Sequential net{nn::Linear{2, 1}};
  optim::SGD optimizer{net.parameters(), {.lr = 0.1}};
  const data::Dataset set{.x = randn({32, 2}), .y = randn({32, 1})};
  data::DataLoader loader{set, {.batch_size = 8}};
  const Loss mse = [](const Tensor& output, const Tensor& target) { return (output - target).square().mean(); };
  const History history = fit(net, optimizer, loader, {.epochs = 2, .validation = &set, .loss = mse});
  CHECK(history.epochs[1].val_metric == -history.epochs[1].val_loss);
  CHECK(history.best_epoch.has_value());
}

TEST_CASE("averages are updated after each step and validated, and the training does not notice") {
  const data::Dataset set = two_clouds(96, 1), validation = two_clouds(40, 2);
  const auto train = [&](const std::function<void(FitOptions&, nn::Sequential&, optim::EMA&)>& change) {
    manual_seed(5);
    nn::Sequential net = network();
    optim::SGD optimizer{net.parameters(), {.lr = 0.05, .momentum = 0.9}};
    optim::EMA ema{net.state_dict(), {.decay = 0.8}};
    data::DataLoader loader{set, {.batch_size = 16, .shuffle = true, .seed = 3}};
    FitOptions options{.epochs = 3, .validation = &validation};
    change(options, net, ema);
    Run result;
    result.history = fit(net, optimizer, loader, options);
    for (const auto& [name, tensor] : net.state_dict()) result.state.emplace_back(name, tensor.detach().clone());
    return result;
  };
  // The same by hand.
  std::vector<double> by_hand;
  const Run plain = train([&](FitOptions& options, nn::Sequential& net, optim::EMA& ema) {
    options.on_step = [&](const StepRecord&) { return ema.update(), true; };
    options.on_epoch = [&](const EpochRecord&) {
      ema.apply();
      by_hand.push_back(evaluate(net, validation).loss);
      ema.restore();
      return true;
    };
  });
  std::int64_t updates = 0;
  const Run averaged = train([&](FitOptions& options, nn::Sequential&, optim::EMA& ema) {
    options.ema = &ema;
    options.validate_average = true;
    options.on_epoch = [&](const EpochRecord&) { return updates = ema.updates(), !ema.applied(); };
  });
  CHECK(updates == 18);
  CHECK(same_state(plain.state, averaged.state));
  REQUIRE(averaged.history.epochs.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(averaged.history.epochs[i].val_loss == by_hand[i]);
    CHECK(averaged.history.epochs[i].val_loss != plain.history.epochs[i].val_loss);
  }
  // The best state is the one that was validated; a metric that throws leaves the weights as they were.
  const Run best = train([&](FitOptions& options, nn::Sequential&, optim::EMA& ema) {
    options.ema = &ema;
    options.validate_average = options.keep_best = true;
    options.metric = [](const Tensor&, const Tensor&) { return 1; };  // the first epoch is the best
    options.epochs = 1;
  });
  NamedTensors averages;
  (void)train([&](FitOptions& options, nn::Sequential&, optim::EMA& ema) {
    options.ema = &ema;
    options.epochs = 1;
    options.on_epoch = [&](const EpochRecord&) { return averages = ema.averages(), true; };
  });
  CHECK(same_state(best.state, averages));
  CHECK(thrown([&] {
          (void)train([&](FitOptions& options, nn::Sequential&, optim::EMA& ema) {
            options.ema = &ema;
            options.validate_average = true;
            options.metric = [&](const Tensor&, const Tensor&) -> double {
              CHECK(ema.applied());
              fail("metric", "none");
            };
          });
        }) == "metric: none");
}

TEST_CASE("a plateau is advanced after each epoch, with what it looks at") {
  const data::Dataset set = two_clouds(96, 1), validation = two_clouds(40, 2);
  for (const bool maximize : {false, true}) {
    manual_seed(5);
    nn::Sequential net = network();
    optim::SGD optimizer{net.parameters(), {.lr = 0.5}};
    optim::ReduceLROnPlateau plateau{optimizer, {.maximize = maximize, .factor = 0.5, .patience = 0, .threshold = 0}};
    data::DataLoader loader{set, {.batch_size = 16}};
    int epoch = 0;
    const History history =
        fit(net, optimizer, loader,
            {.epochs = 4,
             .validation = &validation,
             .metric = [&](const Tensor&, const Tensor&) { return double(++epoch) / 2; },  // rises in each epoch
             .plateau = &plateau});
    double best = maximize ? -INFINITY : INFINITY, rate = 0.5;
    for (const EpochRecord& record : history.epochs) {
      CHECK(record.lr == rate);  // the rate of the epoch, before it is lowered
      const double value = maximize ? record.val_metric : record.val_loss;
      const bool better = maximize ? value > best : value < best;
      if (better)
        best = value;
      else
        rate /= 2;
    }
    CHECK(plateau.best() == best);
    CHECK(optimizer.lr() == rate);
    if (maximize) CHECK(rate == 0.5);
  }
}

TEST_CASE("options that make no sense are refused") {
  const auto refused = [](FitOptions options, const char* part) {
    const std::string text = thrown([&] { run(options); });
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  refused({.epochs = -1}, "-1 epochs");
  refused({.accumulate = 0}, "0 batches");
  refused({.clip_norm = -1}, "clip_norm of -1");
  refused({.clip_norm = NAN}, "clip_norm of nan");
  refused({.patience = 2}, "validation");
  refused({.keep_best = true}, "validation");
  refused({.validate_average = true}, "validate_average needs an ema and validation data");
  Tensor weight = zeros({1}, {.requires_grad = true});
  optim::SGD optimizer{{weight}, {.lr = 1}};
  optim::ReduceLROnPlateau plateau{optimizer};
  refused({.plateau = &plateau}, "a plateau needs validation data");
}
