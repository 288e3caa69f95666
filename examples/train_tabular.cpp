// Trains a network on a table: any CSV file, to tell classes apart or to predict a number.
//
//   train_tabular --file wine.csv                                                  classes in the last column
//   train_tabular --file california_housing.csv --target median_house_value --categorical
//   train_tabular --file auto-mpg.data --target 0 --ignore 8 --model self_normalizing
//
// What you should see: what the task was taken to be and how the rows were divided, a line for each epoch, and at the end the
// network beside what needs none: the most frequent class or the mean, and a linear model.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include <gradus/data/csv.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/mlp.hpp>
#include <gradus/models/self_normalizing.hpp>
#include <gradus/report/table.hpp>

#include "training/training.hpp"

using namespace gradus;

namespace {

struct Settings {
  std::string file, target = "-1", task = "guess", delimiter = "guess", header = "guess", missing = "drop", model = "mlp";
  std::vector<std::string> ignore;
  std::vector<Index> hidden = {128, 128};
  bool categorical = false;
  double dropout = 0, weight_decay = 0.01;
};

struct Table {
  data::Dataset all;
  bool classes = false;
  std::string told;  // how the task came to be known
};

// A column by its name or, if it reads as one, by its number.
data::Column column(const std::string& text) {
  Index place = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, place);
  return error == std::errc{} && stop == end ? data::Column(place) : data::Column(text);
}

char delimiter(const std::string& text) {
  static const std::map<std::string, char> names = {{"guess", '\0'}, {"comma", ','}, {"semicolon", ';'}, {"tab", '\t'}, {"blank", ' '}};
  if (const auto known = names.find(text); known != names.end()) return known->second;
  if (text.size() != 1) fail("--delimiter", fmt::format("'{}' is neither one character nor comma, semicolon, tab or blank", text));
  return text[0];
}

data::CsvOptions csv_options(const Settings& settings) {
  data::CsvOptions options{.target = column(settings.target), .delimiter = delimiter(settings.delimiter), .categorical = settings.categorical};
  for (const std::string& name : settings.ignore) options.ignore.push_back(column(name));
  options.header = settings.header == "present" ? data::Header::present : settings.header == "absent" ? data::Header::absent : data::Header::automatic;
  options.missing = settings.missing == "error" ? data::Missing::error : settings.missing == "mean" ? data::Missing::mean : data::Missing::drop;
  return options;
}

// Classes, if a target of numbers takes at most 20 whole values, each in 10 rows on average.
bool looks_like_classes(const Tensor& y) {
  const std::vector<float> values = to_vector<float>(y);
  const std::set<float> different(values.begin(), values.end());
  return different.size() <= 20 && values.size() >= 10 * different.size() &&
         std::all_of(different.begin(), different.end(), [](float value) { return value == std::floor(value); });
}

// Whether the target has words, which only a table of classes may.
std::optional<data::Dataset> as_numbers(const Settings& settings) {
  data::CsvOptions options = csv_options(settings);
  options.task = data::Task::regression;
  try {
    return data::csv(settings.file, options);
  } catch (const Error& error) {
    if (std::string(error.what()).find("is no number") != std::string::npos) return std::nullopt;
    throw;
  }
}

Table load(const Settings& settings) {
  if (settings.file.empty()) fail("--file", "the table is needed, a file of rows with separated columns");
  data::CsvOptions options = csv_options(settings);
  const auto classes = [&](std::string told) { return Table{data::csv(settings.file, options), true, std::move(told)}; };
  if (settings.task == "classification") return classes("as told");
  options.task = data::Task::regression;
  if (settings.task == "regression") return {data::csv(settings.file, options), false, "as told"};
  options.task = data::Task::classification;
  std::optional<data::Dataset> numbers = as_numbers(settings);
  if (!numbers) return classes("a guess: the target has words");
  if (looks_like_classes(numbers->y)) return classes("a guess: the target takes few whole values");
  return {std::move(*numbers), false, "a guess: the target takes many values"};
}

// Three parts, standardised by the training part alone: x, and y where it is a number.
struct Parts {
  data::Dataset train, validation, test;
  std::optional<data::Standardize> target;
};

data::Dataset first(const data::Dataset& part, Index count) {
  std::vector<Index> rows(std::size_t(std::min(count, part.size())));
  std::iota(rows.begin(), rows.end(), Index{0});
  return part.subset(rows);
}

Parts divide(const Table& table, bool quick, std::uint64_t seed) {
  bool stratify = table.classes;
  if (stratify)
    for (const Index count : table.all.class_counts()) stratify = stratify && count >= 10;
  auto [train, validation, test] = data::split_three(table.all, {.validation_fraction = 0.15, .test_fraction = 0.2, .stratify = stratify, .seed = seed});
  if (quick)
    for (data::Dataset* part : {&train, &validation, &test}) *part = first(*part, 500);
  const data::Standardize scale{train.x};
  Parts parts{scale(train), scale(validation), scale(test), std::nullopt};
  if (!table.classes) {
    parts.target.emplace(train.y);
    for (data::Dataset* part : {&parts.train, &parts.validation, &parts.test}) part->y = (*parts.target)(part->y);
  }
  return parts;
}

Tensor loss_of(bool classes, const Tensor& output, const Tensor& target) {
  return classes ? nn::cross_entropy(output, target) : nn::mse_loss(output, target);
}

nn::Sequential build(const Settings& settings, Index inputs, Index outputs, const std::string& activation) {
  if (settings.model == "self_normalizing") return models::self_normalizing(inputs, outputs, {.hidden = settings.hidden, .dropout = settings.dropout});
  return models::mlp(inputs, outputs, {.hidden = settings.hidden, .activation = activation, .dropout = settings.dropout, .batch_norm = settings.model == "batch_norm"});
}

// Linear or logistic regression with a penalty of 1e-3/2 |W|^2, all rows at once, to the minimum.
nn::Linear linear_model(const data::Dataset& train, bool classes, Index outputs) {
  nn::Linear linear{train.x.size(1), outputs};
  for (const Tensor& parameter : linear.parameters()) {
    const NoGrad no_grad;
    Tensor(parameter).zero_();
  }
  optim::LBFGS optimizer{linear.parameters(), {.max_iter = 300}};
  optimizer.step([&] {
    optimizer.zero_grad();
    Tensor loss = loss_of(classes, linear(train.x), train.y) + 0.5e-3 * sum(square(linear.weight));
    loss.backward();
    return loss;
  });
  return linear;
}

std::vector<double> in_units(const Parts& parts, const Tensor& standardised) { return to_vector<double>(parts.target->inverse(standardised).to(float64)); }

// The root of the mean squared error, in the units of the target.
double rmse(const std::vector<double>& predicted, const std::vector<double>& truth) {
  double total = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) total += std::pow(predicted[i] - truth[i], 2);
  return std::sqrt(total / double(truth.size()));
}

void report_classes(training::Run& run, const Parts& parts, const std::string& model, const Tensor& scores, const Tensor& linear_scores) {
  const auto counts = parts.train.class_counts();
  const auto most = std::size_t(std::max_element(counts.begin(), counts.end()) - counts.begin());
  const double majority = 100 * (parts.test.y == double(most)).to(float64).mean().item();
  const double reached = 100 * train::accuracy(scores, parts.test.y), linear = 100 * train::accuracy(linear_scores, parts.test.y);
  report::Table table({"what", report::Column("test accuracy, %").fixed(2), report::Column("test cross-entropy").fixed(4)});
  table.row({"the most frequent class, " + parts.train.class_names[most], majority, "-"});
  table.row({"logistic regression", linear, nn::cross_entropy(linear_scores, parts.test.y).item()});
  table.row({model, reached, nn::cross_entropy(scores, parts.test.y).item()});
  run.table("The network beside simpler answers", table);
  run.result("test accuracy, %", reached, 2);
  run.result("test accuracy of logistic regression, %", linear, 2);
  run.result("test accuracy of the most frequent class, %", majority, 2);
  const Tensor taken = train::confusion_matrix(scores, parts.test.y);
  const auto classes = std::size_t(taken.size(0));
  const std::vector<double> values(taken.data<std::int64_t>(), taken.data<std::int64_t>() + taken.numel());
  const std::vector<std::string>& names = parts.test.class_names;
  report::Figure figure("What was taken for what");
  figure.panel().x_label("named").y_label("is").heat_map(values, classes, classes, {.row_names = names, .column_names = names, .numbers = classes <= 12});
  run.figure("confusion", std::move(figure), "Test rows by their class (rows) and the class that the network named (columns).");
}

void report_numbers(training::Run& run, const Parts& parts, const std::string& model, const Tensor& outputs, const Tensor& linear_outputs) {
  const std::vector<double> truth = in_units(parts, parts.test.y), predicted = in_units(parts, outputs), linear = in_units(parts, linear_outputs);
  // The mean of the training part is 0 in its own units.
  const std::vector<double> mean(truth.size(), parts.target->mean()[0]);
  report::Table table({"what", report::Column("test RMSE").significant(6), report::Column("test R^2").fixed(4)});
  table.row({"the mean of the training part", rmse(mean, truth), train::r2_score(zeros_like(parts.test.y), parts.test.y)});
  table.row({"least squares", rmse(linear, truth), train::r2_score(linear_outputs, parts.test.y)});
  table.row({model, rmse(predicted, truth), train::r2_score(outputs, parts.test.y)});
  run.table("The network beside simpler answers", table);
  run.result("test RMSE", rmse(predicted, truth));
  run.result("test R^2", train::r2_score(outputs, parts.test.y));
  run.result("test RMSE of least squares", rmse(linear, truth));
  run.result("test R^2 of least squares", train::r2_score(linear_outputs, parts.test.y));
  run.result("test RMSE of the mean", rmse(mean, truth));
  // Large numbers do not fit beside an axis: thousands, millions, ... then.
  double unit = 1, largest = 0;
  for (const double value : truth) largest = std::max(largest, std::abs(value));
  while (largest >= 1e4 * unit) unit *= 1000;
  std::vector<double> x, y;
  for (std::size_t i = 0; i < std::min<std::size_t>(truth.size(), 2000); ++i) x.push_back(truth[i] / unit), y.push_back(predicted[i] / unit);
  const std::string in = unit > 1 ? fmt::format(", divided by {:.0f}", unit) : "";
  report::Figure figure("Predicted and true values of the test part");
  figure.panel().x_label("true" + in).y_label("predicted" + in).points("", x, y).diagonal();
  run.figure("scatter", std::move(figure), "At most 2000 rows. On the line a prediction is right.");
}

void learn(training::Run& run, const Settings& settings, const Table& table) {
  const training::Options& options = run.options();
  const Parts parts = divide(table, options.quick, options.seed);
  const Index inputs = table.all.x.size(1), outputs = table.classes ? table.all.num_classes() : 1;
  run.say(fmt::format("{}: {} of {} rows, {} features ({})", table.classes ? fmt::format("Classification into {} classes", outputs) : "Regression", settings.file,
                      table.all.size(), inputs, table.told));
  run.say(fmt::format("{} rows to train on, {} to choose the epoch with, {} to test on; standardised by the mean and deviation of the training part", parts.train.size(),
                      parts.validation.size(), parts.test.size()));
  nn::Sequential net = build(settings, inputs, outputs, options.activation);
  run.text("The network", nn::summary(net, {2, inputs}).text());
  optim::AdamW optimizer{net.parameters(), {.lr = options.lr, .weight_decay = settings.weight_decay}};
  // Batch norm cannot use a last batch of one row.
  const bool lonely = parts.train.size() > options.batch_size && parts.train.size() % options.batch_size == 1;
  data::DataLoader loader{parts.train, {.batch_size = options.batch_size, .shuffle = true, .drop_last = lonely, .seed = options.seed}};
  optim::OneCycleLR schedule{optimizer, {.max_lr = options.lr, .total_steps = options.epochs * loader.size()}};
  train::FitOptions fit{.validation = &parts.validation, .schedule = &schedule, .keep_best = true};
  if (!table.classes) fit.loss = [](const Tensor& output, const Tensor& target) { return nn::mse_loss(output, target); };
  run.fit(net, optimizer, loader, fit, table.classes ? "accuracy" : "minus MSE");

  nn::Linear linear = linear_model(parts.train, table.classes, outputs);
  const Tensor scores = train::predict(net, parts.test.x), linear_scores = train::predict(linear, parts.test.x);
  const NoGrad no_grad;
  table.classes ? report_classes(run, parts, settings.model, scores, linear_scores) : report_numbers(run, parts, settings.model, scores, linear_scores);
}

void check(const Settings& settings) {
  for (const Index width : settings.hidden)
    if (width < 1) fail("--hidden", fmt::format("a width of {}; at least 1 is needed", width));
  if (!(settings.dropout >= 0 && settings.dropout < 1)) fail("--dropout", fmt::format("{} is not in [0, 1)", settings.dropout));
  if (!(settings.weight_decay >= 0) || !std::isfinite(settings.weight_decay)) fail("--weight-decay", fmt::format("{} is not finite and at least 0", settings.weight_decay));
}

}  // namespace

int main(int argc, char** argv) {
  training::Program program("train_tabular", "Trains a network on a table.", {.activation = "gelu", .epochs = 100, .quick_epochs = 3, .batch_size = 32, .lr = 3e-3});
  Settings settings;
  CLI::App& app = program.app();
  app.add_option("--file", settings.file, "the table; plain or compressed by gzip");
  app.add_option("--target", settings.target, "the column to predict, by its name or its place: 0 is the first, -1 the last");
  app.add_option("--task", settings.task, "classification, regression or guess")->check(CLI::IsMember({"classification", "regression", "guess"}));
  app.add_option("--ignore", settings.ignore, "columns to leave out, by name or place, separated by commas")->delimiter(',');
  app.add_option("--delimiter", settings.delimiter, "one character, or comma, semicolon, tab, blank or guess");
  app.add_option("--header", settings.header, "present, absent or guess: whether the first row has names")->check(CLI::IsMember({"present", "absent", "guess"}));
  app.add_option("--missing", settings.missing, "rows with missing values: drop or error; mean fills in the column's mean over all rows, those of the test part too")
      ->check(CLI::IsMember({"drop", "error", "mean"}));
  app.add_flag("--categorical", settings.categorical, "columns with words become one column of 0 and 1 for each word");
  app.add_option("--model", settings.model, "mlp, batch_norm (an mlp with it) or self_normalizing (SELU alone)")->check(CLI::IsMember({"mlp", "batch_norm", "self_normalizing"}));
  app.add_option("--hidden", settings.hidden, "widths of the hidden layers, separated by commas")->delimiter(',');
  app.add_option("--dropout", settings.dropout, "after each activation");
  app.add_option("--weight-decay", settings.weight_decay, "of AdamW");
  Table table;
  return program.main(
      argc, argv, [&](training::Run& run) { learn(run, settings, table); },
      [&] {
        check(settings);
        table = load(settings);
      });
}
