#pragma once
// The folder of results: what is written, and what an earlier, interrupted start left there.
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "experiment.hpp"

namespace study {

// One training run of a learning-rate sweep.
struct SweepRow {
  std::string model, activation;
  double lr = 0;
  int seed = 0;
  double val_loss = 0, val_accuracy = 0;
};

struct Results {
  std::vector<SweepRow> sweep;
  std::vector<Run> runs;

  const Run* find(const std::string& model, const std::string& activation, int seed) const;
  const SweepRow* find(const std::string& model, const std::string& activation, double lr, int seed) const;
  // The runs of one model and activation, by seed.
  std::vector<const Run*> of(const std::string& model, const std::string& activation) const;
};

// Reads what a folder already holds; empty for a new folder. Throws when it holds something else, the results of other settings, or
// damaged files.
Results open_folder(const Settings& settings);

// Each file is written beside and renamed, so that the folder is whole at any moment.
void write_run_json(const Settings& settings, const Parts& parts);
void write_results(const Settings& settings, const Results& results);

// The mean and the paired difference to the baseline of one model and activation.
struct Comparison {
  std::string model, activation;
  double lr = 0;
  gradus::Index parameters = 0;
  int finished = 0, diverged = 0;
  std::vector<double> test = {};  // final test accuracy of each finished run, by seed
  double mean = 0, deviation = 0, low = 0, high = 0;
  double difference = 0, difference_low = 0, difference_high = 0;  // NaN for the baseline and where too few pairs exist
  double seconds_per_epoch = 0;
  std::string verdict = {};
};
// relu where it takes part, else the first activation.
std::string baseline(const Settings& settings);
std::vector<Comparison> compare(const Settings& settings, const Results& results);
void write_summary(const Settings& settings, const std::vector<Comparison>& comparisons);

}  // namespace study
