#include "training.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <gradus/autograd/mode.hpp>
#include <gradus/core/error.hpp>
#include <gradus/core/generator.hpp>
#include <gradus/core/parallel.hpp>
#include <gradus/nn/clip.hpp>
#include <gradus/nn/eval_mode.hpp>
#include <gradus/report/files.hpp>
#include <gradus/report/plot.hpp>
#include <gradus/report/progress.hpp>
#include <gradus/report/table.hpp>
#include <gradus/train/checkpoint.hpp>
#include <gradus/train/metrics.hpp>

namespace training {

using namespace gradus;
using namespace gradus::report;

namespace {

bool has(const CLI::App& app, const char* option) { return app.get_option_no_throw(option) != nullptr; }

// Names and values of all options that the numbers depend on.
program::Settings settings_of(const CLI::App& app, const std::vector<const CLI::Option*>& free, const Options& options) {
  std::vector<std::string> except = {"out", "threads", "epochs", "steps"};
  for (const CLI::Option* option : free) except.push_back(option->get_single_name());
  program::Settings settings = program::settings_of(app, except);
  if (has(app, "--epochs")) settings.emplace_back("epochs", fmt::format("{}", options.epochs));
  if (has(app, "--steps")) settings.emplace_back("steps", fmt::format("{}", options.steps));
  return settings;
}

void check(const CLI::App& app, const Options& options) {
  program::check_activation("--activation", options.activation);
  if (has(app, "--epochs") && options.epochs < 1) fail("--epochs", fmt::format("{} epochs; at least 1 is needed", options.epochs));
  if (has(app, "--steps") && options.steps < 1) fail("--steps", fmt::format("{} steps; at least 1 is needed", options.steps));
  if (options.batch_size < 1) fail("--batch-size", fmt::format("{} samples; at least 1 is needed", options.batch_size));
  if (!(options.lr > 0) || !std::isfinite(options.lr)) fail("--lr", fmt::format("{} is no positive number", options.lr));
  if (options.threads < 0) fail("--threads", fmt::format("{} threads", options.threads));
}

}  // namespace

Program::Program(std::string name, std::string description, Options defaults)
    : name_(std::move(name)), options_(std::move(defaults)),
      app_(description + "\nThe results land in one folder (--out): report.html, run.json, history.csv, figures, checkpoint.safetensors.\n"
                         "Started again with the same options, it goes on where it stopped.") {
  if (options_.out.empty()) options_.out = std::filesystem::path("results") / name_;
  app_.option_defaults()->always_capture_default();
  app_.add_option("--activation", options_.activation, "the activation function, e.g. relu, elu, gelu, silu, leaky_relu(0.2)");
  if (options_.epochs > 0) app_.add_option("--epochs", options_.epochs, "passes over the training data");
  if (options_.steps > 0) app_.add_option("--steps", options_.steps, "steps of the optimiser, each on new samples");
  app_.add_option("--batch-size", options_.batch_size, "samples in a step");
  app_.add_option("--lr", options_.lr, "the learning rate");
  app_.add_option("--seed", options_.seed, "of weights, order and everything else that is random");
  app_.add_option("--threads", options_.threads, "0: all cores");
  app_.add_option("--out", options_.out, "the folder for the results");
  app_.add_flag("--quick", options_.quick, "a small run that takes seconds");
}

int Program::main(int argc, char** argv, const std::function<void(Run&)>& body, const std::function<void()>& check_more) {
  return program::run(name_, [&] {
    program::parse(app_, argc, argv);
    const auto left_open = [&](const char* option) { return has(app_, option) && !given(option); };
    if (options_.quick && left_open("--epochs")) options_.epochs = options_.quick_epochs;
    if (options_.quick && left_open("--steps")) options_.steps = options_.quick_steps;
    check(app_, options_);
    if (options_.threads > 0) set_num_threads(options_.threads);
    if (check_more) check_more();
    Run run(options_, program::RunFolder(options_.out, name_, settings_of(app_, free_, options_)), name_);
    program::stop_on_interrupt();
    manual_seed(options_.seed);
    body(run);
    run.finish();
    return 0;
  });
}

Run::Run(const Options& options, program::RunFolder folder, std::string name)
    : options_(options), folder_(std::move(folder)), name_(std::move(name)) {}

void Run::say(const std::string& text) {
  fmt::print("{}\n", text);
  parts_.push_back([=](Page& page) { page.paragraph(text); });
}

void Run::result(const std::string& name, double value, int decimals) {
  const std::string shown = fmt::format("{:.{}f}", value, decimals);
  fmt::print("{}: {}\n", name, shown);
  folder_.result(name, value);
  results_.emplace_back(name, shown);
}

void Run::text(const std::string& title, const std::string& text) {
  fmt::print("\n{}\n{}\n", title, text);
  parts_.push_back([=](Page& page) { page.heading(title).code(text); });
}

void Run::table(const std::string& title, const Table& table) {
  fmt::print("\n{}\n{}", title, table.text());
  parts_.push_back([=](Page& page) { page.heading(title).table(table); });
}

void Run::figure(const std::string& name, Figure figure, const std::string& caption) {
  folder_.figure(name, std::move(figure), caption);
}

train::History Run::fit(nn::Module& model, optim::Optimizer& optimizer, data::DataLoader& loader, train::FitOptions fit_options,
                        const std::string& metric, const std::string& part) {
  fit_options.epochs = options_.epochs;
  fit_options.checkpoint = folder_.path("checkpoint.safetensors").string();
  fit_options.resume = true;
  fit_options.log_csv = folder_.path("history.csv").string();
  fit_options.log_jsonl = folder_.path("history.jsonl").string();
  fit_options.progress = true;
  const auto on_step = fit_options.on_step;
  fit_options.on_step = [&](const train::StepRecord& step) { return (!on_step || on_step(step)) && !program::stop; };
  const auto on_epoch = fit_options.on_epoch;
  fit_options.on_epoch = [&](const train::EpochRecord& e) {
    if (fit_options.validation != nullptr)
      fmt::print("epoch {:3d}   training loss {:.4f}   {} loss {:.4f}   {} {:.4f}   {:.1f} s\n", e.epoch + 1, e.train_loss, part, e.val_loss,
                 metric, e.val_metric, e.seconds);
    else
      fmt::print("epoch {:3d}   training loss {:.4f}   {:.1f} s\n", e.epoch + 1, e.train_loss, e.seconds);
    std::fflush(stdout);
    return (!on_epoch || on_epoch(e)) && !program::stop;
  };
  const train::History history = train::fit(model, optimizer, loader, fit_options);
  if (program::stop) throw program::Interrupted{};
  if (history.divergence)
    fail(name_, fmt::format("the loss is not finite in epoch {}, step {}: {}; a smaller --lr may help", history.divergence->epoch + 1,
                            history.divergence->step, history.divergence->where));
  std::vector<double> epochs;
  for (const train::EpochRecord& e : history.epochs) epochs.push_back(e.epoch + 1);
  show(history, "epoch", epochs, fit_options.validation != nullptr ? part : "", metric, fit_options.schedule != nullptr);
  return history;
}

train::History Run::fit_steps(nn::Module& model, optim::Optimizer& optimizer, const std::function<Tensor(std::int64_t)>& loss,
                              const StepOptions& options) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  using Clock = std::chrono::steady_clock;
  const std::string checkpoint = folder_.path(options.name.empty() ? "checkpoint.safetensors" : options.name + ".safetensors").string();
  const std::vector<Tensor> parameters = model.parameters();
  train::RunState state;
  train::History& history = state.history;
  const train::CheckpointParts parts{.model = &model, .optimizer = &optimizer, .schedule = options.schedule, .run = &state};
  if (std::filesystem::exists(checkpoint)) train::load_checkpoint(checkpoint, parts);
  Progress bar(options_.steps, options.name.empty() ? "training" : options.name, {.unit = "steps", .start = state.step});
  const auto at = [&](const train::EpochRecord& e) { return std::min<Index>((e.epoch + 1) * options.every, options_.steps); };

  model.train();
  auto start = Clock::now();
  const auto save = [&] {
    state.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    train::save_checkpoint(checkpoint, parts);
    start = Clock::now();
  };
  while (state.step < options_.steps) {
    const Tensor value = loss(state.step);
    const double number = value.item();
    if (!std::isfinite(number)) fail(name_, fmt::format("the loss of step {} is not finite; a smaller --lr may help", state.step + 1));
    optimizer.zero_grad();
    value.backward();
    if (options.clip_norm > 0) nn::clip_grad_norm(parameters, options.clip_norm);
    optimizer.step();
    if (options.schedule != nullptr) options.schedule->step();
    ++state.step, ++state.samples;
    state.loss_sum += number;
    bar.step();
    if (state.step % options.every == 0 || state.step == options_.steps) {
      state.seconds += std::chrono::duration<double>(Clock::now() - start).count();
      train::EpochRecord record{int(history.epochs.size()), optimizer.lr(), state.loss_sum / double(state.samples), nan, nan, state.seconds};
      state.samples = 0, state.loss_sum = state.seconds = 0;
      if (options.validation) {
        const NoGrad no_grad;
        const nn::EvalMode eval(model);
        record.val_loss = options.validation();
      }
      history.epochs.push_back(record);
      start = Clock::now();
      save();
      bar.clear();
      if (!options.name.empty()) fmt::print("{:24} ", options.name);
      fmt::print("step {:5d}   training loss {:.4f}", state.step, record.train_loss);
      if (options.validation) fmt::print("   validation loss {:.4f}", record.val_loss);
      fmt::print("   {:.1f} s\n", record.seconds);
      std::fflush(stdout);
    }
    if (program::stop) {
      save();
      throw program::Interrupted{};
    }
  }
  bar.finish();
  Table log({"step", "lr", "train_loss", "val_loss", "seconds"});
  std::vector<double> steps;
  for (const train::EpochRecord& e : history.epochs) {
    log.row({at(e), e.lr, e.train_loss, e.val_loss, e.seconds});
    steps.push_back(double(at(e)));
  }
  write_file_atomically(folder_.path(options.name.empty() ? "history.csv" : options.name + ".csv").string(), log.csv());
  if (options.name.empty()) show(history, "step", steps, options.validation ? "validation" : "", "", options.schedule != nullptr);
  return history;
}

void Run::show(const train::History& history, const std::string& axis, const std::vector<double>& at, const std::string& part,
               const std::string& metric, bool scheduled) {
  std::vector<double> train_loss, val_loss, val_metric, lr;
  double seconds = 0;
  for (const train::EpochRecord& e : history.epochs) {
    train_loss.push_back(e.train_loss);
    val_loss.push_back(e.val_loss);
    val_metric.push_back(e.val_metric);
    lr.push_back(e.lr);
    seconds += e.seconds;
  }
  folder_.result("training seconds", seconds);
  Figure curves("How the training went: " + options_.activation);
  Panel& loss = curves.panel("loss").x_label(axis).line("training", at, train_loss);
  if (!part.empty()) loss.line(part, at, val_loss);
  if (!part.empty() && !metric.empty()) curves.panel(metric).x_label(axis).line(part, at, val_metric);
  if (scheduled) curves.panel("learning rate").x_label(axis).line("", at, lr);
  figure("history", std::move(curves),
         fmt::format("The training loss is the mean {}, while the weights moved{}.", axis == "epoch" ? "over an epoch" : "since the point before",
                     part.empty() ? "" : fmt::format("; the {} part is looked at after it", part)));
}

void Run::confusion(const Tensor& scores, const Tensor& labels, const std::vector<std::string>& names) {
  const Tensor counts = train::confusion_matrix(scores, labels);
  const auto classes = std::size_t(counts.size(0));
  Figure matrix("What was taken for what: " + options_.activation);
  const std::vector<double> values(counts.data<std::int64_t>(), counts.data<std::int64_t>() + counts.numel());
  matrix.panel().x_label("named").y_label("is").heat_map(values, classes, classes, {.row_names = names, .column_names = names, .numbers = classes <= 10});
  figure("confusion", std::move(matrix), "Test samples by their class (rows) and the class that the network named (columns).");
}

void Run::finish() {
  folder_.finish(name_, fmt::format("activation {}, seed {}", options_.activation, options_.seed), [&](Page& page) {
    if (!results_.empty()) page.heading("What came out").definitions(results_);
    for (const auto& part : parts_) part(page);
    page.heading("Figures");
  });
  fmt::print("report: {}\n", folder_.path("report.html").string());
}

}  // namespace training
