#include "results.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <gradus/core/error.hpp>
#include <gradus/report/files.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/report/table.hpp>
#include <gradus/report/text.hpp>

#include "../common/run_folder.hpp"

namespace study {

namespace fs = std::filesystem;
using gradus::fail;
using gradus::report::Column;
using gradus::report::Table;
using Json = nlohmann::ordered_json;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

const std::vector<std::string> results_header = {"data", "model", "activation", "seed", "epoch", "lr", "train_loss", "val_loss",
                                                 "val_accuracy", "test_accuracy", "seconds"};
const std::vector<std::string> layers_header = {"data", "model", "activation", "seed", "epoch", "layer", "weight", "mean", "variance",
                                                "zero_gradient", "dead", "grad_norm", "update_ratio"};
const std::vector<std::string> runs_header = {"data", "model", "activation", "seed", "lr", "parameters", "status", "epoch", "step", "where"};
const std::vector<std::string> sweep_header = {"data", "model", "activation", "lr", "seed", "val_loss", "val_accuracy"};

Table table(const std::vector<std::string>& header) {
  std::vector<Column> columns;
  for (const std::string& name : header) columns.emplace_back(name);
  return Table(std::move(columns));
}

// The rows of a file that write_results wrote.
std::vector<std::vector<std::string>> read_csv(const fs::path& path, const std::vector<std::string>& header) {
  std::vector<std::vector<std::string>> rows = gradus::report::parse_csv(gradus::report::read_file(path.string()));
  for (const auto& row : rows)
    if (row.size() != header.size() || rows.front() != header)
      fail("resume", fmt::format("{} is no file of an earlier comparison, or damaged; choose another --out", path.string()));
  if (rows.empty()) fail("resume", fmt::format("{} is empty; choose another --out", path.string()));
  rows.erase(rows.begin());
  return rows;
}

double number(const fs::path& path, const std::string& text) {
  if (text.empty()) return nan;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (*end != '\0') fail("resume", fmt::format("{}: \"{}\" is no number; choose another --out", path.string(), text));
  return value;
}

// JSON has no NaN.
Json or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace

const Run* Results::find(const std::string& model, const std::string& activation, int seed) const {
  for (const Run& run : runs)
    if (run.model == model && run.activation == activation && run.seed == seed) return &run;
  return nullptr;
}

const SweepRow* Results::find(const std::string& model, const std::string& activation, double lr, int seed) const {
  for (const SweepRow& row : sweep)
    if (row.model == model && row.activation == activation && row.lr == lr && row.seed == seed) return &row;
  return nullptr;
}

std::vector<const Run*> Results::of(const std::string& model, const std::string& activation) const {
  std::vector<const Run*> found;
  for (const Run& run : runs)
    if (run.model == model && run.activation == activation) found.push_back(&run);
  std::sort(found.begin(), found.end(), [](const Run* a, const Run* b) { return a->seed < b->seed; });
  return found;
}

Results open_folder(const Settings& settings) {
  Results results;
  const fs::path folder = settings.out;
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return results;
  if (!fs::is_directory(folder, ignored)) fail("--out", fmt::format("{} is no folder", folder.string()));
  if (fs::is_empty(folder, ignored)) return results;
  const fs::path about = folder / "run.json";
  if (!fs::exists(about, ignored))
    fail("--out", fmt::format("{} holds files that no comparison wrote; choose another folder", folder.string()));
  Json json;
  try {
    json = Json::parse(gradus::report::read_file(about.string()));
    if (json.at("settings").get<std::string>() != settings.fingerprint())
      fail("--out", fmt::format("{} holds the results of other settings; choose another folder, or repeat the arguments in its run.json to go on",
                                folder.string()));
  } catch (const Json::exception&) {
    fail("--out", fmt::format("{} is damaged; choose another folder", about.string()));
  }
  if (!fs::exists(folder / "runs.csv", ignored)) return results;  // stopped before anything was finished

  for (const auto& row : read_csv(folder / "sweep.csv", sweep_header)) {
    const auto value = [&](std::size_t i) { return number(folder / "sweep.csv", row[i]); };
    results.sweep.push_back({row[1], row[2], value(3), int(value(4)), value(5), value(6)});
  }
  for (const auto& row : read_csv(folder / "runs.csv", runs_header)) {
    const auto value = [&](std::size_t i) { return number(folder / "runs.csv", row[i]); };
    Run run{.model = row[1], .activation = row[2], .seed = int(value(3)), .lr = value(4)};
    run.parameters = gradus::Index(value(5));
    run.diverged = row[6] == "diverged";
    run.diverged_epoch = run.diverged ? int(value(7)) : 0;
    run.diverged_step = run.diverged ? std::int64_t(value(8)) : 0;
    run.where = row[9];
    results.runs.push_back(run);
  }
  const auto owner = [&](const fs::path& path, const std::vector<std::string>& row) -> Run& {
    for (Run& run : results.runs)
      if (run.model == row[1] && run.activation == row[2] && run.seed == int(number(path, row[3]))) return run;
    fail("resume", fmt::format("{} holds a run that runs.csv does not know; choose another --out", path.string()));
  };
  for (const auto& row : read_csv(folder / "results.csv", results_header)) {
    const auto value = [&](std::size_t i) { return number(folder / "results.csv", row[i]); };
    owner(folder / "results.csv", row).epochs.push_back({int(value(4)), value(5), value(6), value(7), value(8), value(9), value(10)});
  }
  for (const auto& row : read_csv(folder / "layers.csv", layers_header)) {
    const auto value = [&](std::size_t i) { return number(folder / "layers.csv", row[i]); };
    owner(folder / "layers.csv", row)
        .layers.push_back({int(value(4)), int(value(5)), row[6], value(7), value(8), value(9), value(10), value(11), value(12)});
  }
  for (const Run& run : results.runs)
    if (run.seed >= settings.seeds)
      fail("--seeds", fmt::format("{} holds runs of {} seeds or more; ask for at least as many", folder.string(), run.seed + 1));
  // The files are written one after another, runs.csv last: a run counts only with all of its epochs.
  std::erase_if(results.runs, [&](const Run& run) { return !run.diverged && run.epochs.size() != std::size_t(settings.epochs); });
  return results;
}

void write_run_json(const Settings& settings, const Parts& parts) {
  Json json;
  json["settings"] = settings.fingerprint();
  json["seeds"] = settings.seeds;
  json["data"] = parts.description;
  json.update(program::environment());
  gradus::report::write_file_atomically((settings.out / "run.json").string(), json.dump(2) + "\n");
}

void write_results(const Settings& settings, const Results& results) {
  Table sweep = table(sweep_header), epochs = table(results_header), layers = table(layers_header), runs = table(runs_header);
  for (const SweepRow& row : results.sweep)
    sweep.row({settings.data, row.model, row.activation, row.lr, row.seed, row.val_loss, row.val_accuracy});
  for (const Run& run : results.runs) {
    for (const EpochRow& e : run.epochs)
      epochs.row({settings.data, run.model, run.activation, run.seed, e.epoch, e.lr, e.train_loss, e.val_loss, e.val_accuracy,
                  e.test_accuracy, e.seconds});
    for (const LayerRow& l : run.layers)
      layers.row({settings.data, run.model, run.activation, run.seed, l.epoch, l.layer, l.weight, l.mean, l.variance, l.zero_gradient,
                  l.dead, l.grad_norm, l.update_ratio});
    runs.row({settings.data, run.model, run.activation, run.seed, run.lr, run.parameters, run.diverged ? "diverged" : "finished",
              run.diverged ? run.diverged_epoch : settings.epochs, run.diverged_step, run.where});
  }
  const auto write = [&](const char* name, const Table& content) {
    gradus::report::write_file_atomically((settings.out / name).string(), content.csv());
  };
  write("sweep.csv", sweep);
  write("results.csv", epochs);
  write("layers.csv", layers);
  write("runs.csv", runs);
}

std::string baseline(const Settings& settings) {
  const auto& names = settings.activations;
  return std::find(names.begin(), names.end(), "relu") != names.end() ? "relu" : names.front();
}

std::vector<Comparison> compare(const Settings& settings, const Results& results) {
  std::vector<Comparison> comparisons;
  const std::string base = baseline(settings);
  for (const std::string& model : settings.models) {
    for (const std::string& activation : settings.activations) {
      Comparison c{.model = model, .activation = activation};
      std::vector<double> mine, theirs, seconds;
      for (const Run* run : results.of(model, activation)) {
        c.lr = run->lr;
        c.parameters = run->parameters;
        for (const EpochRow& epoch : run->epochs) seconds.push_back(epoch.seconds);
        if (run->diverged) {
          ++c.diverged;
          continue;
        }
        ++c.finished;
        c.test.push_back(run->epochs.back().test_accuracy);
        const Run* other = results.find(model, base, run->seed);
        if (other != nullptr && !other->diverged) {
          mine.push_back(run->epochs.back().test_accuracy);
          theirs.push_back(other->epochs.back().test_accuracy);
        }
      }
      const gradus::report::Interval interval = gradus::report::mean_interval(c.test);
      c.mean = interval.center, c.low = interval.lower, c.high = interval.upper;
      c.deviation = gradus::report::sample_std(c.test);
      c.seconds_per_epoch = gradus::report::median(seconds);
      c.difference = c.difference_low = c.difference_high = nan;
      if (activation != base) {
        const auto difference = gradus::report::paired_difference_interval(mine, theirs);
        c.difference = difference.center, c.difference_low = difference.lower, c.difference_high = difference.upper;
      }
      if (c.finished == 0)
        c.verdict = c.diverged > 0 ? "diverged in every run" : "not run";
      else if (activation == base)
        c.verdict = "what the others are compared with";
      else if (mine.size() < 3)
        c.verdict = "too few seeds to say";
      else if (c.difference_low > 0)
        c.verdict = fmt::format("better than {}, by {:.2f} to {:.2f} points", base, 100 * c.difference_low, 100 * c.difference_high);
      else if (c.difference_high < 0)
        c.verdict = fmt::format("worse than {}, by {:.2f} to {:.2f} points", base, -100 * c.difference_high, -100 * c.difference_low);
      else
        c.verdict = "no difference beyond noise";
      if (c.diverged > 0 && c.finished > 0) c.verdict += fmt::format(" ({} of {} runs diverged)", c.diverged, c.diverged + c.finished);
      comparisons.push_back(std::move(c));
    }
  }
  return comparisons;
}

void write_summary(const Settings& settings, const std::vector<Comparison>& comparisons) {
  Json rows = Json::array();
  for (const Comparison& c : comparisons) {
    Json row;
    row["model"] = c.model;
    row["activation"] = c.activation;
    row["lr"] = or_null(c.lr);
    row["parameters"] = c.parameters;
    row["runs"] = c.finished;
    row["diverged"] = c.diverged;
    row["test_accuracy"] = {{"mean", or_null(c.mean)}, {"std", or_null(c.deviation)}, {"interval_95", {or_null(c.low), or_null(c.high)}},
                            {"runs", c.test}};
    row["difference"] = {{"to", baseline(settings)}, {"mean", or_null(c.difference)},
                         {"interval_95", {or_null(c.difference_low), or_null(c.difference_high)}}};
    row["seconds_per_epoch"] = or_null(c.seconds_per_epoch);
    row["verdict"] = c.verdict;
    rows.push_back(row);
  }
  Json json{{"data", settings.data}, {"epochs", settings.epochs}, {"seeds", settings.seeds}, {"comparisons", rows}};
  gradus::report::write_file_atomically((settings.out / "summary.json").string(), json.dump(2) + "\n");
}

}  // namespace study
