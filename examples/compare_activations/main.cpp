// Trains the same network with ReLU, ELU, GELU (or others) over several seeds and reports honestly what differs.
//
//   compare_activations                                     digits, mlp and cnn, relu/elu/gelu, 5 seeds: under two minutes
//   compare_activations --data mnist --root DIR --model mlp --epochs 10
//   compare_activations --help
//
// What makes it fair: the learning rate is chosen for each activation on a validation part; for one seed all activations share
// the random draws behind their weights and the order of the data, so that differences are paired; the test part chooses nothing.
// settings.cpp reads the command line, experiment.cpp trains and watches, results.cpp keeps the folder, report.cpp tells the story.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include <fmt/format.h>

#include <gradus/core/parallel.hpp>
#include <gradus/report/files.hpp>
#include <gradus/report/progress.hpp>
#include <gradus/report/statistics.hpp>

#include "../common/program.hpp"
#include "report.hpp"

namespace {

constexpr int sweep_seeds = 2;
constexpr int first_sweep_seed = 1'000'000;  // far from the seeds of the comparison

class Comparing {
 public:
  Comparing(const study::Settings& settings, const study::Parts& parts, study::Results& results)
      : settings_(settings), parts_(parts), results_(results),
        sweep_epochs_(settings.quick ? 1 : std::max(2, (settings.epochs + 2) / 3)) {}

  // False when it was interrupted.
  bool run() {
    gradus::report::Progress bar(total_epochs(), "training", {.unit = "epochs"});
    bar_ = &bar;
    for (const std::string& model : settings_.models) {
      for (const std::string& activation : settings_.activations) {
        const std::optional<double> lr = settings_.lr ? settings_.lr : choose_rate(model, activation);
        if (!lr) return false;
        for (int seed = 0; seed < settings_.seeds; ++seed) {
          if (results_.find(model, activation, seed) != nullptr) {
            bar.step(settings_.epochs);
            continue;
          }
          bar.note(fmt::format("{} {} seed {}", model, activation, seed));
          bool finished = false;
          study::Run one = study::train_one(settings_, parts_, {model, activation, seed, *lr, settings_.epochs}, program::stop,
                                                [&] { bar.step(); }, finished);
          if (!finished) return false;
          results_.runs.push_back(std::move(one));
          study::write_results(settings_, results_);
        }
      }
    }
    return true;
  }

 private:
  std::int64_t total_epochs() const {
    const auto pairs = std::int64_t(settings_.models.size() * settings_.activations.size());
    const std::int64_t sweep = settings_.lr ? 0 : std::int64_t(settings_.lr_grid().size()) * sweep_seeds * sweep_epochs_;
    return pairs * (sweep + std::int64_t(settings_.seeds) * settings_.epochs);
  }

  struct Score {
    double accuracy, loss;
    bool operator>(const Score& other) const { return accuracy != other.accuracy ? accuracy > other.accuracy : loss < other.loss; }
  };

  // Mean validation accuracy and loss of one rate. Diverged runs count as accuracy 0.
  std::optional<Score> score(const std::string& model, const std::string& activation, double lr) {
    std::vector<double> accuracy, loss;
    for (int seed = first_sweep_seed; seed < first_sweep_seed + sweep_seeds; ++seed) {
      const study::SweepRow* known = results_.find(model, activation, lr, seed);
      if (known == nullptr) {
        bar_->note(fmt::format("{} {} lr {:.2g}", model, activation, lr));
        bool finished = false;
        const study::Run one = study::train_one(settings_, parts_, {model, activation, seed, lr, sweep_epochs_, false}, program::stop,
                                                    [&] { bar_->step(); }, finished);
        if (!finished) return std::nullopt;
        const bool failed = one.diverged || one.epochs.empty();
        results_.sweep.push_back({model, activation, lr, seed, failed ? HUGE_VAL : one.epochs.back().val_loss,
                                  failed ? 0 : one.epochs.back().val_accuracy});
        study::write_results(settings_, results_);
        known = &results_.sweep.back();
      } else {
        bar_->step(sweep_epochs_);
      }
      accuracy.push_back(known->val_accuracy);
      loss.push_back(known->val_loss);
    }
    return Score{gradus::report::mean(accuracy), gradus::report::mean(loss)};
  }

  std::optional<double> choose_rate(const std::string& model, const std::string& activation) {
    std::vector<double> grid = settings_.lr_grid();
    std::vector<Score> scores;
    for (const double lr : grid) {
      const auto result = score(model, activation, lr);
      if (!result) return std::nullopt;
      scores.push_back(*result);
    }
    const auto best = [&] {
      std::size_t b = 0;
      for (std::size_t i = 1; i < scores.size(); ++i)
        if (scores[i] > scores[b]) b = i;
      return b;
    };
    // A best rate at the edge says that the range was too narrow.
    for (int extension = 0; extension < (settings_.quick ? 0 : 2); ++extension) {
      const std::size_t b = best();
      if (b != 0 && b + 1 != scores.size()) break;
      const double lr = rounded(b == 0 ? grid.front() / std::sqrt(10.0) : grid.back() * std::sqrt(10.0));
      const auto result = score(model, activation, lr);
      if (!result) return std::nullopt;
      const auto place = b == 0 ? std::ptrdiff_t{0} : std::ptrdiff_t(grid.size());
      grid.insert(grid.begin() + place, lr);
      scores.insert(scores.begin() + place, *result);
    }
    return grid[best()];
  }

  // One significant digit: 0.0316 becomes 0.03.
  static double rounded(double lr) { return std::stod(fmt::format("{:.0e}", lr)); }

  const study::Settings& settings_;
  const study::Parts& parts_;
  study::Results& results_;
  int sweep_epochs_;
  gradus::report::Progress* bar_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  return program::run("compare_activations", [&] {
    const study::Settings settings = study::parse(argc, argv);
    if (settings.threads > 0) gradus::set_num_threads(settings.threads);
    // Everything is checked before the folder is touched.
    const study::Parts parts = study::load(settings);
    study::Results results = study::open_folder(settings);
    gradus::report::create_folder(settings.out.string());
    study::write_run_json(settings, parts);
    program::stop_on_interrupt();
    fmt::print("{}\n", parts.description);
    if (!results.runs.empty()) fmt::print("going on: {} runs are finished already\n", results.runs.size());

    if (!Comparing(settings, parts, results).run()) {
      fmt::print("interrupted; {} runs are finished and kept in {}. The same command goes on from there.\n", results.runs.size(),
                 settings.out.string());
      return 130;
    }
    const std::vector<study::Comparison> comparisons = study::compare(settings, results);
    study::write_summary(settings, comparisons);
    study::write_report(settings, parts, results, comparisons);
    fmt::print("\n{}\nreport: {}\n", study::console_table(settings, comparisons), (settings.out / "report.html").string());
    return 0;
  });
}
