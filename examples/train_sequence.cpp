// Trains a recurrent network on sequences.
//
//   train_sequence --task adding --cell lstm --steps 5000        adds two marked numbers out of 100
//   train_sequence --task adding --table                         Elman networks: activations by starts of the recurrent weights
//   train_sequence --task smnist --root DIR --rows               reads digits row by row; without --rows pixel by pixel
//   train_sequence --task series --file FILE.csv --column Temp   forecasts a series, one step and many steps ahead
//
// What you should see: whether what came early is still known at the end. A network that forgot it has a mean squared error of 0.167
// in the adding problem, and a forecast is worth something only beside "the same as last time" and "the same as a season ago".
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>

#include <fmt/format.h>

#include <gradus/gradus.hpp>
#include <gradus/models/recurrent.hpp>
#include <gradus/nn/eval_mode.hpp>
#include <gradus/report/table.hpp>

#include "training/training.hpp"

using namespace gradus;

namespace {

struct Settings {
  std::string task = "adding", cell = "elman", recurrent_init = "default";
  Index hidden = 64, layers = 1, length = 100;
  double clip_norm = 1;
  bool table = false, rows = false, log = false;
  std::string root, file, column = "-1";
  Index window = 24, season = 12;
};

const std::vector<std::pair<std::string, nn::RecurrentInit>> starts = {{"default", nn::RecurrentInit::pytorch},
                                                                       {"orthogonal", nn::RecurrentInit::orthogonal},
                                                                       {"identity", nn::RecurrentInit::identity}};

nn::Sequential build(const Settings& settings, const std::string& activation, Index inputs, Index outputs) {
  const auto start = std::find_if(starts.begin(), starts.end(), [&](const auto& s) { return s.first == settings.recurrent_init; });
  return models::recurrent(inputs, outputs, {.cell = settings.cell, .hidden = settings.hidden, .layers = settings.layers,
                                             .activation = activation, .recurrent_init = start->second});
}

Tensor mse(const Tensor& output, const Tensor& target) { return nn::mse_loss(output, target); }

// -- adding

// Steps between two looks at the validation sequences.
Index interval(const training::Options& options) { return (options.steps + 19) / 20; }

struct Added {
  train::History history;
  double test_mse;
};

// Trains on new sequences in every step and tests on 2000 others.
Added add(training::Run& run, const Settings& settings, const std::string& activation, const std::string& name) {
  const training::Options& options = run.options();
  manual_seed(options.seed);
  nn::Sequential net = build(settings, activation, 2, 1);
  optim::Adam optimizer{net.parameters(), {.lr = options.lr}};
  const Generator source(options.seed);
  const auto sequences = [&](Index n, const char* purpose, std::int64_t number = 0) {
    return data::adding_problem(n, {.length = settings.length, .seed = source.split(purpose).split(std::uint64_t(number)).seed()});
  };
  const data::Dataset validation = sequences(500, "validation");
  const train::History history = run.fit_steps(
      net, optimizer,
      [&](std::int64_t step) {
        const auto [x, y] = sequences(options.batch_size, "training", step);
        return mse(net(x), y);
      },
      {.clip_norm = settings.clip_norm, .every = interval(options),
       .validation = [&] { return train::evaluate(net, validation, mse).loss; }, .name = name});
  return {history, train::evaluate(net, sequences(2000, "test"), mse).loss};
}

void adding(training::Run& run, const Settings& settings) {
  run.say(fmt::format("The sum of two marked numbers among {}: who always answers 1 has a mean squared error of {:.3f}", settings.length, 1.0 / 6));
  run.result("test MSE", add(run, settings, run.options().activation, "").test_mse);
}

// Which activation, started how, carries a number over the whole length.
void adding_table(training::Run& run, Settings settings) {
  const std::vector<std::string> activations = {"relu", "elu", "tanh", "gelu"};
  run.say(fmt::format("Elman networks of {} units, {} steps of Adam, {} sequences of length {} each; who always answers 1 has a mean squared error of {:.3f}",
                      settings.hidden, run.options().steps, run.options().batch_size, settings.length, 1.0 / 6));
  report::Table table({"activation", report::Column("default").fixed(4), report::Column("orthogonal").fixed(4), report::Column("identity").fixed(4)});
  report::Figure curves("The adding problem: mean squared error on validation sequences");
  std::vector<report::Panel*> panels;
  for (const auto& [start, init] : starts)
    panels.push_back(&curves.panel("recurrent weights: " + start).x_label("step").log_y().y_range(0.001, 0.5).horizontal(1.0 / 6, "always 1"));
  for (const std::string& activation : activations) {
    std::vector<report::Cell> row{activation};
    for (std::size_t i = 0; i < starts.size(); ++i) {
      settings.recurrent_init = starts[i].first;
      const Added added = add(run, settings, activation, activation + "_" + starts[i].first);
      run.result(fmt::format("test MSE, {}, {}", activation, starts[i].first), added.test_mse);
      row.emplace_back(added.test_mse);
      std::vector<double> steps, losses;
      for (const train::EpochRecord& e : added.history.epochs) {
        steps.push_back(double(std::min<Index>((e.epoch + 1) * interval(run.options()), run.options().steps)));
        losses.push_back(e.val_loss);
      }
      panels[i]->line(activation, std::move(steps), std::move(losses));
    }
    table.row(std::move(row));
  }
  run.table("Test MSE by activation and start of the recurrent weights", table);
  run.figure("adding", std::move(curves), "One panel for each start of the recurrent weights; 0.167 is the error of the answer 1. One seed.");
}

// -- smnist

struct Digits {
  data::Dataset train, validation, test;
};

// (n, 1, 28, 28) -> (n, 784, 1), or (n, 28, 28): one step for each pixel or each row, from the top left on.
Digits load_digits(const Settings& settings, bool quick) {
  if (settings.root.empty()) fail("--root", "smnist needs the folder with the files of MNIST; datasets/download.sh gets them");
  data::Dataset all = data::mnist(settings.root, data::Split::train), test = data::mnist(settings.root, data::Split::test);
  if (quick)
    for (data::Dataset* part : {&all, &test}) {
      part->x = part->x.slice(0, 0, 200);
      part->y = part->y.slice(0, 0, 200);
    }
  const auto [train, validation] = data::split(all, {.test_fraction = 0.1, .stratify = true});
  const data::Standardize scale{train.x};
  const auto unrolled = [&](const data::Dataset& part) {
    data::Dataset out = scale(part);
    const Index height = out.x.size(2), width = out.x.size(3);
    out.x = settings.rows ? out.x.reshape({out.size(), height, width}) : out.x.reshape({out.size(), height * width, 1});
    return out;
  };
  return {unrolled(train), unrolled(validation), unrolled(test)};
}

void smnist(training::Run& run, const Settings& settings, const Digits& digits) {
  const training::Options& options = run.options();
  run.say(fmt::format("{} digits to train, {} to validate, {} to test; {} steps of {} numbers each", digits.train.size(), digits.validation.size(),
                      digits.test.size(), digits.train.x.size(1), digits.train.x.size(2)));
  nn::Sequential net = build(settings, options.activation, digits.train.x.size(2), digits.train.num_classes());
  optim::Adam optimizer{net.parameters(), {.lr = options.lr}};
  data::DataLoader loader{digits.train, {.batch_size = options.batch_size, .shuffle = true, .seed = options.seed}};
  run.fit(net, optimizer, loader, {.validation = &digits.validation, .clip_norm = settings.clip_norm, .checkpoint_every = train::Every::steps(200)});
  run.result("test accuracy, %", 100 * train::evaluate(net, digits.test).metric, 2);
}

// -- series

// A series, cut in time: the first part is trained on, the last tested, nothing of which is seen before. The network works in units
// of the training part's deviation, on differences from the last known value, so that a series that rises is no obstacle: it is told
// the window before time t less its last value, and says what comes at t less that value.
struct Series {
  std::vector<double> values;  // as they are worked with: logarithms if asked for, standardised
  std::size_t train_end, validation_end;
  double mean, deviation;
  bool log;

  double shown(double value) const {
    const double back = value * deviation + mean;
    return log ? std::exp(back) : back;
  }
};

Series load_series(const Settings& settings) {
  if (settings.file.empty()) fail("--file", "series needs a CSV file with a column of numbers, in the order of time");
  if (settings.window < 1) fail("--window", fmt::format("{} values; at least 1 is needed", settings.window));
  if (settings.season < 1) fail("--season", fmt::format("{} values; at least 1 is needed", settings.season));
  char* end = nullptr;
  const long place = std::strtol(settings.column.c_str(), &end, 10);
  const bool by_place = !settings.column.empty() && *end == '\0';
  const Tensor column = data::csv_column(settings.file, by_place ? data::Column{Index{place}} : data::Column{settings.column});
  Series series{to_vector<double>(column.to(float64)), 0, 0, 0, 0, settings.log};
  const std::size_t n = series.values.size(), before = std::size_t(std::max(settings.window, settings.season));
  series.train_end = n * 7 / 10;
  series.validation_end = n * 8 / 10;
  if (series.train_end <= before || series.validation_end == series.train_end || series.validation_end == n)
    fail("--file", fmt::format("{} has {} values, too few for windows of {}; 7 of 10 are to train on", settings.file, n, before));
  for (double& value : series.values) {
    if (settings.log && !(value > 0)) fail("--log", fmt::format("{} has a value of {}; logarithms need positive ones", settings.file, value));
    if (settings.log) value = std::log(value);
  }
  const std::span<const double> known(series.values.data(), series.train_end);
  for (const double value : known) series.mean += value / double(known.size());
  for (const double value : known) series.deviation += (value - series.mean) * (value - series.mean) / double(known.size());
  series.deviation = series.deviation > 0 ? std::sqrt(series.deviation) : 1;
  for (double& value : series.values) value = (value - series.mean) / series.deviation;
  return series;
}

// x (1, window, 1): the last `window` of these values, less the last.
Tensor window_of(std::span<const double> values, Index window) {
  Tensor x = empty({1, window, 1});
  for (Index i = 0; i < window; ++i) x.data<float>()[i] = float(values[values.size() - std::size_t(window - i)] - values.back());
  return x;
}

// One sample for each time in [from, to).
data::Dataset windows_of(const Series& series, std::size_t from, std::size_t to, Index window) {
  std::vector<Tensor> x;
  std::vector<float> y;
  for (std::size_t t = std::max(from, std::size_t(window)); t < to; ++t) {
    x.push_back(window_of({series.values.data(), t}, window));
    y.push_back(float(series.values[t] - series.values[t - 1]));
  }
  data::Dataset out;
  out.x = cat(x, 0);
  out.y = from_vector(y, {Index(y.size()), 1});
  out.name = "series";
  return out;
}

using Forecast = std::function<double(std::span<const double> before)>;

// What is said about the times from validation_end on: with all that came before each, or (`many`) with nothing after validation_end.
std::vector<double> forecast(const Series& series, const Forecast& next, bool many) {
  std::vector<double> known(series.values.begin(), series.values.begin() + std::ptrdiff_t(series.validation_end)), said;
  for (std::size_t t = series.validation_end; t < series.values.size(); ++t) {
    const double value = next(known);
    known.push_back(many ? value : series.values[t]);
    said.push_back(series.shown(value));
  }
  return said;
}

void forecast_series(training::Run& run, const Settings& settings, const Series& series) {
  const training::Options& options = run.options();
  const std::size_t n = series.values.size();
  run.say(fmt::format("{} values: {} to train, {} to validate, the last {} to test; mean and deviation of the first {} make the unit", n,
                      series.train_end, series.validation_end - series.train_end, n - series.validation_end, series.train_end));
  nn::Sequential net = build(settings, options.activation, 1, 1);
  const data::Dataset known = windows_of(series, 0, series.train_end, settings.window),
                      validation = windows_of(series, series.train_end, series.validation_end, settings.window);
  optim::Adam optimizer{net.parameters(), {.lr = options.lr}};
  data::DataLoader loader{known, {.batch_size = options.batch_size, .shuffle = true, .seed = options.seed}};
  run.fit(net, optimizer, loader, {.validation = &validation, .loss = mse, .clip_norm = settings.clip_norm, .keep_best = true}, "minus MSE");

  const NoGrad no_grad;
  const nn::EvalMode eval(net);
  const std::vector<std::pair<std::string, Forecast>> methods = {
      {settings.cell, [&](std::span<const double> before) { return before.back() + net(window_of(before, settings.window)).item(); }},
      {"same as last", [](std::span<const double> before) { return before.back(); }},
      {"same as a season ago", [&](std::span<const double> before) { return before[before.size() - std::size_t(settings.season)]; }}};
  std::vector<double> times, truth, test_times;
  for (std::size_t t = 0; t < n; ++t) {
    times.push_back(double(t));
    truth.push_back(series.shown(series.values[t]));
    if (t >= series.validation_end) test_times.push_back(double(t));
  }
  report::Table table({"forecast", report::Column("RMSE, one step").significant(4), report::Column("RMSE, all at once").significant(4)});
  report::Figure figure("The test part, foretold");
  report::Panel &one = figure.panel("one step ahead"), &all = figure.panel("all at once, from the line on");
  for (report::Panel* panel : {&one, &all}) {
    panel->x_label("time").vertical(double(series.validation_end));
    const auto shown = std::ptrdiff_t(series.train_end);
    panel->line("measured", {times.begin() + shown, times.end()}, {truth.begin() + shown, truth.end()}, {.like = "identity"});
  }
  for (const auto& [name, next] : methods) {
    std::vector<report::Cell> row{name};
    for (const bool many : {false, true}) {
      const std::vector<double> said = forecast(series, next, many);
      double squares = 0;
      for (std::size_t i = 0; i < said.size(); ++i) squares += std::pow(said[i] - truth[series.validation_end + i], 2) / double(said.size());
      row.emplace_back(std::sqrt(squares));
      run.result(fmt::format("test RMSE, {}, {}", many ? "all at once" : "one step", name), std::sqrt(squares));
      (many ? all : one).line(name, test_times, said, {.dash = &name == &methods[0].first ? report::Dash::solid : report::Dash::dotted});
    }
    table.row(std::move(row));
  }
  run.table("Errors on the test part, in the units of the file", table);
  run.figure("forecast", std::move(figure.columns(1)),
             "Left of the line: the values on which the network was chosen. One step ahead, all values before are known; all at once, the "
             "forecasts themselves are what is known.");
}

}  // namespace

int main(int argc, char** argv) {
  training::Program program("train_sequence", "Trains a recurrent network: the adding problem, digits as sequences, a time series.",
                            {.activation = "tanh", .epochs = 10, .steps = 2000, .batch_size = 64, .lr = 1e-3});
  Settings settings;
  CLI::App& app = program.app();
  app.add_option("--task", settings.task, "adding, smnist or series")->check(CLI::IsMember({"adding", "smnist", "series"}));
  app.add_option("--cell", settings.cell, "elman (with --activation), gru or lstm")->check(CLI::IsMember({"elman", "gru", "lstm"}));
  app.add_option("--recurrent-init", settings.recurrent_init, "how the recurrent weights start: default, orthogonal or identity")
      ->check(CLI::IsMember({"default", "orthogonal", "identity"}));
  app.add_option("--hidden", settings.hidden, "the width of the state");
  app.add_option("--layers", settings.layers, "recurrent layers, one on the other");
  app.add_option("--clip-norm", settings.clip_norm, "the largest norm of the gradient; 0: any")->check(CLI::NonNegativeNumber);
  app.add_option("--length", settings.length, "adding: of the sequences");
  app.add_flag("--table", settings.table, "adding: relu, elu, tanh and gelu by the three starts, one after the other");
  app.add_option("--root", settings.root, "smnist: the folder of MNIST's files");
  app.add_flag("--rows", settings.rows, "smnist: a row of pixels in a step, not one pixel");
  app.add_option("--file", settings.file, "series: a CSV file");
  app.add_option("--column", settings.column, "series: its name, or its place from 0; -1 is the last");
  app.add_option("--window", settings.window, "series: the values that a forecast sees");
  app.add_option("--season", settings.season, "series: the values in a season, for the forecast \"same as a season ago\"");
  app.add_flag("--log", settings.log, "series: work with logarithms");
  Digits digits;
  Series series;
  return program.main(
      argc, argv,
      [&](training::Run& run) {
        if (settings.task == "smnist") return smnist(run, settings, digits);
        if (settings.task == "series") return forecast_series(run, settings, series);
        settings.table ? adding_table(run, settings) : adding(run, settings);
      },
      [&] {
        training::Options& options = program.options();
        (void)build(settings, options.activation, 1, 1);  // what cannot be built is said before anything is written
        if (settings.table && (settings.task != "adding" || settings.cell != "elman"))
          fail("--table", "it compares Elman networks on the task adding");
        if (settings.task == "smnist") digits = load_digits(settings, options.quick);
        if (settings.task == "series") {
          series = load_series(settings);
          if (!program.given("--epochs")) options.epochs = options.quick ? 10 : 200;
        }
        if (settings.task == "adding") (void)data::adding_problem(0, {.length = settings.length});
        if (options.quick && !program.given("--length")) settings.length = 20;
      });
}
