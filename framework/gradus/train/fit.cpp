#include "gradus/train/fit.hpp"

#include <chrono>
#include <cmath>
#include <filesystem>

#include "gradus/autograd/anomaly.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/core/atomic_file.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/elementwise.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/clip.hpp"
#include "gradus/nn/eval_mode.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/report/progress.hpp"
#include "gradus/train/checkpoint.hpp"
#include "gradus/train/epoch_log.hpp"
#include "gradus/train/metrics.hpp"

namespace gradus::train {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Loss or_cross_entropy(const Loss& loss) {
  if (loss) return loss;
  return [](const Tensor& output, const Tensor& target) { return nn::cross_entropy(output, target); };
}

void check_batch_size(const char* operation, Index batch_size) {
  if (batch_size < 1) failf(operation, "a batch_size of {}; at least 1 is needed", batch_size);
}

bool finite(const Tensor& x) {
  return dispatch(x.dtype(), [&]<class T> { return kernels::all_finite(x.data<T>(), x.numel()); });
}

NamedTensors copied(const NamedTensors& state) {
  NamedTensors copies;
  for (const auto& [name, tensor] : state) copies.emplace_back(name, tensor.detach().clone());
  return copies;
}

// A file that cannot be looked at may be there; reading it will say what is the matter.
bool may_exist(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) || error;
}

// A run that is to keep its best state cannot go on where another one did not.
void check_best(const FitOptions& options) {
  if (!options.keep_best) return;
  RunState run;
  load_checkpoint(options.checkpoint, {.run = &run, .generators = false});
  if (run.history.best_epoch && run.best_model.empty())
    failf("fit",
          "keep_best: epoch {} was the best, but \"{}\" was written without keep_best and does not have its state",
          *run.history.best_epoch, options.checkpoint);
}

// The averages are in the weights while one lives.
class Averaged {
 public:
  explicit Averaged(optim::EMA* ema) : ema_(ema) {
    if (ema_ != nullptr) ema_->apply();
  }
  ~Averaged() {
    if (ema_ != nullptr) ema_->restore();
  }
  Averaged(const Averaged&) = delete;
  Averaged& operator=(const Averaged&) = delete;

 private:
  optim::EMA* ema_;
};

}  // namespace

std::string first_non_finite(nn::Module& model, const Tensor& x) {
  if (!finite(x)) return "input";
  for (const auto& [name, parameter] : model.named_parameters())
    if (!finite(parameter)) return "parameter " + name;
  const NoGrad no_grad;
  const nn::EvalMode eval(model);
  nn::ActivationProbe probe;
  (void)model(x);
  for (std::size_t i = 0; i < probe.records.size(); ++i)
    if (!finite(probe.records[i].input) || !finite(probe.records[i].output))
      return fmt::format("activation {} ({})", i + 1, probe.records[i].function.name());
  return "loss";
}

Evaluation evaluate(nn::Module& model, const data::Dataset& dataset, const Loss& loss, const Metric& metric,
                    Index batch_size) {
  const Loss measure = or_cross_entropy(loss);
  check_batch_size("evaluate", batch_size);
  const NoGrad no_grad;
  const nn::EvalMode eval(model);
  const Index n = dataset.size();
  if (n == 0) return {nan, nan};
  Evaluation total{0, 0};
  for (Index start = 0; start < n; start += batch_size) {
    const Index stop = std::min(n, start + batch_size);
    const Tensor y = dataset.y.slice(0, start, stop), output = model(dataset.x.slice(0, start, stop));
    const double share = double(stop - start) / double(n);
    const double value = measure(output, y).item();
    total.loss += share * value;
    total.metric += share * (metric ? metric(output, y) : y.dtype() == int64 ? accuracy(output, y) : -value);
  }
  return total;
}

Tensor predict(nn::Module& model, const Tensor& x, Index batch_size) {
  check_batch_size("predict", batch_size);
  const NoGrad no_grad;
  const nn::EvalMode eval(model);
  std::vector<Tensor> parts;
  for (Index start = 0; start < x.shape()[0]; start += batch_size)
    parts.push_back(model(x.slice(0, start, start + batch_size)));
  return parts.empty() ? model(x) : cat(parts, 0);
}

History fit(nn::Module& model, optim::Optimizer& optimizer, data::DataLoader& loader, const FitOptions& options) {
  if (options.epochs < 0) failf("fit", "{} epochs", options.epochs);
  if (options.accumulate < 1)
    failf("fit", "gradients of {} batches are to be averaged; at least 1 is needed", options.accumulate);
  if (!(options.clip_norm >= 0)) failf("fit", "a clip_norm of {} is negative", options.clip_norm);
  if ((options.patience > 0 || options.keep_best) && options.validation == nullptr)
    fail("fit", "patience and keep_best need validation data");
  if (options.plateau != nullptr && options.validation == nullptr) fail("fit", "a plateau needs validation data");
  if (options.validate_average && (options.ema == nullptr || options.validation == nullptr))
    fail("fit", "validate_average needs an ema and validation data");
  if (options.ema != nullptr && options.ema->applied())
    fail("fit", "the averages of the EMA are in the weights; call restore() first");
  if (options.checkpoint_every.count < 1)
    failf("fit", "a checkpoint every {} steps or epochs; at least 1 is needed", options.checkpoint_every.count);
  if (!options.log_csv.empty() && options.log_csv == options.log_jsonl)
    failf("fit", "log_csv and log_jsonl are the same file, \"{}\"", options.log_csv);
  if (options.resume && options.checkpoint.empty()) fail("fit", "resume needs a checkpoint, the file to resume from");
  const Loss loss = or_cross_entropy(options.loss);
  const std::vector<Tensor> parameters = model.parameters();
  const auto batches = std::int64_t(loader.size());
  RunState run;
  History& history = run.history;
  const CheckpointParts parts{.model = &model,
                              .optimizer = &optimizer,
                              .schedule = options.schedule,
                              .plateau = options.plateau,
                              .ema = options.ema,
                              .loader = &loader,
                              .run = &run};
  const bool resumed = options.resume && may_exist(options.checkpoint);
  if (resumed) {
    check_best(options);
    load_checkpoint(options.checkpoint, parts);
    if (!options.keep_best) run.best_model.clear();
  }
  if (!options.checkpoint.empty()) AtomicFile::remove_leftovers(options.checkpoint);
  std::optional<report::Progress> bar;
  if (options.progress)
    bar.emplace(batches * options.epochs, "training",
                report::Progress::Options{.unit = "batches",
                                          .start = batches * std::int64_t(history.epochs.size()) + run.batch});

  std::vector<detail::EpochLog> logs;
  if (!options.log_csv.empty()) logs.emplace_back(options.log_csv, detail::EpochLog::Format::csv, history.epochs);
  if (!options.log_jsonl.empty()) logs.emplace_back(options.log_jsonl, detail::EpochLog::Format::jsonl, history.epochs);

  auto start = std::chrono::steady_clock::now();
  const auto stop_clock = [&] {
    run.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const auto save = [&] {
    if (!options.checkpoint.empty()) save_checkpoint(options.checkpoint, parts);
  };
  const auto due = [&](Every::Unit unit, std::int64_t count) {
    return options.checkpoint_every.unit == unit && count % options.checkpoint_every.count == 0;
  };
  const auto finish = [&] {
    if (!run.best_model.empty()) model.load_state_dict(run.best_model);
    model.train();
    return std::move(history);
  };
  const auto out_of_patience = [&] {
    return options.patience > 0 && !history.epochs.empty() &&
           int(history.epochs.size()) - 1 - history.best_epoch.value_or(-1) >= options.patience;
  };

  if (resumed) {
    history.stopped_early = out_of_patience();
    if (history.stopped_early || history.divergence) return finish();
  } else {
    // From here on the file is this run's and no earlier one's, and it is known that it can be written.
    save();
  }

  for (int epoch = int(history.epochs.size()); epoch < options.epochs; ++epoch) {
    model.train();
    start = std::chrono::steady_clock::now();
    optimizer.zero_grad();
    for (const auto& [x, y] : loader) {
      // The last group of an epoch may be smaller.
      const std::int64_t group =
          std::min<std::int64_t>(options.accumulate, batches - run.batch / options.accumulate * options.accumulate);
      double number = nan;
      try {
        std::optional<autograd::DetectAnomaly> guard;
        if (options.detect_anomaly) guard.emplace();
        const Tensor value = loss(model(x), y);
        number = value.item();
        if (!std::isfinite(number)) {
          history.divergence = Divergence{epoch, run.step, first_non_finite(model, x)};
          return finish();
        }
        (group == 1 ? value : value / double(group)).backward();
      } catch (const autograd::AnomalyError& anomaly) {
        history.divergence = Divergence{epoch, run.step, anomaly.what()};
        return finish();
      }
      run.loss_sum += number * double(x.shape()[0]);
      run.samples += x.shape()[0];
      ++run.batch;
      if (bar) bar->step();
      if (run.batch % options.accumulate != 0 && run.batch != batches) continue;
      const double norm = options.clip_norm > 0 ? nn::clip_grad_norm(parameters, options.clip_norm) : nan;
      optimizer.step();
      ++run.step;
      const double lr = optimizer.lr();
      if (options.schedule != nullptr) options.schedule->step();
      if (options.ema != nullptr) options.ema->update();
      const bool go_on = !options.on_step || options.on_step({epoch, run.step, number, lr, norm});
      optimizer.zero_grad();
      if (!go_on || due(Every::Unit::steps, run.step)) {
        stop_clock();
        save();
        start = std::chrono::steady_clock::now();
      }
      if (!go_on) return finish();
    }
    // A gradient that overflowed in the last step shows in the parameters before it shows in a loss.
    for (const auto& [name, parameter] : model.named_parameters())
      if (!finite(parameter)) {
        history.divergence = Divergence{epoch, run.step, "parameter " + name};
        return finish();
      }
    stop_clock();
    EpochRecord record{epoch, optimizer.lr(), run.samples > 0 ? run.loss_sum / double(run.samples) : nan, nan,
                       nan,   run.seconds};
    run.batch = run.samples = 0;
    run.loss_sum = run.seconds = 0;
    if (options.validation != nullptr) {
      const Averaged averaged(options.validate_average ? options.ema : nullptr);
      const Evaluation result = evaluate(model, *options.validation, loss, options.metric);
      record.val_loss = result.loss;
      record.val_metric = result.metric;
      if (result.metric > run.best) {
        run.best = result.metric;
        history.best_epoch = epoch;
        if (options.keep_best) run.best_model = copied(model.state_dict());
      }
    }
    if (options.plateau != nullptr)
      options.plateau->step(options.plateau->maximize() ? record.val_metric : record.val_loss);
    history.epochs.push_back(record);
    for (detail::EpochLog& log : logs) log.add(record);
    bool go_on = !options.on_epoch || options.on_epoch(record);
    if (go_on && out_of_patience()) {
      history.stopped_early = true;
      go_on = false;
    }
    if (!go_on || epoch + 1 == options.epochs || due(Every::Unit::epochs, epoch + 1)) save();
    if (!go_on) break;
  }
  return finish();
}

}  // namespace gradus::train
