#pragma once
// The frame of the programs train_*: common options, a folder that a run is kept in and goes on in, and what is printed, plotted and
// reported at the end. What is trained, on what, and how, is the program's own:
//
//   int main(int argc, char** argv) {
//     training::Program program("train_digits", "Trains LeNet on the built-in digits.", {.epochs = 20});
//     return program.main(argc, argv, [&](training::Run& run) {
//       ...
//       const train::History history = run.fit(net, optimizer, loader, {.validation = &parts.validation, .schedule = &schedule});
//       run.result("test accuracy, %", 100 * train::evaluate(net, parts.test).metric);
//     });
//   }
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <gradus/train/fit.hpp>

#include "../common/program.hpp"
#include "../common/run_folder.hpp"

namespace training {

// What every program can be told; a program gives its own defaults.
struct Options {
  std::string activation = "relu";
  int epochs = 10;       // 0: the program has no --epochs
  int quick_epochs = 2;  // with --quick, unless --epochs is given
  gradus::Index steps = 0;  // 0: the program has no --steps
  gradus::Index quick_steps = 30;
  gradus::Index batch_size = 64;
  double lr = 1e-3;
  std::uint64_t seed = 0;
  int threads = 0;  // 0: as many as there are cores
  std::filesystem::path out = {};  // default: results/NAME
  bool quick = false;
};

// For Run::fit_steps.
struct StepOptions {
  double clip_norm = 0;  // 0: no clipping
  gradus::optim::Schedule* schedule = nullptr;
  gradus::Index every = 100;               // steps between two lines, validations, checkpoints
  std::function<double()> validation = {};  // a loss; called without recording
  // For programs that train several networks: of the files of this one. Its history is left to the program to show.
  std::string name = {};
};

class Run;

class Program {
 public:
  Program(std::string name, std::string description, Options defaults);
  // To add options of the program's own. They become part of the run's settings.
  CLI::App& app() { return app_; }
  const Options& options() const { return options_; }
  // For `check` of main(), where defaults depend on other options.
  Options& options() { return options_; }
  // Whether the user gave that option.
  bool given(const std::string& option) const { return app_.get_option(option)->count() > 0; }
  // An option that does not change what is trained, but what is done with it: another value goes on in the same folder.
  void not_a_setting(const CLI::Option* option) { free_.push_back(option); }
  // Reads the command line, opens the folder, calls `body`, writes the report. `check` may refuse options before the folder is
  // touched, and is the place to load data. Returns the exit code.
  int main(int argc, char** argv, const std::function<void(Run&)>& body, const std::function<void()>& check = {});

 private:
  std::string name_;
  Options options_;
  CLI::App app_;
  std::vector<const CLI::Option*> free_;
};

class Run {
 public:
  Run(const Options& options, program::RunFolder folder, std::string name);

  const Options& options() const { return options_; }
  program::RunFolder& folder() { return folder_; }

  // A line on the console and a paragraph in the report.
  void say(const std::string& text);
  // A number that the run was made for: printed, in run.json and in the report.
  void result(const std::string& name, double value, int decimals = 4);
  // Text as it is, on the console and in the report: a sample of a language model, a table.
  void text(const std::string& title, const std::string& text);
  void table(const std::string& title, const gradus::report::Table& table);
  void figure(const std::string& name, gradus::report::Figure figure, const std::string& caption);

  // train::fit with the run's epochs, checkpoint, logs (history.csv, history.jsonl) and progress; goes on where an earlier start was
  // interrupted. Prints a line for each epoch, plots the history. `metric` names val_metric in prints and plots. Throws Interrupted
  // after Ctrl-C, and gradus::Error when the run diverges. `part` names the data that fit_options.validation points to.
  gradus::train::History fit(gradus::nn::Module& model, gradus::optim::Optimizer& optimizer, gradus::data::DataLoader& loader,
                             gradus::train::FitOptions fit_options, const std::string& metric = "accuracy", const std::string& part = "validation");
  // The figure "confusion": what each class of `labels` was taken for by the scores (n, classes).
  void confusion(const gradus::Tensor& scores, const gradus::Tensor& labels, const std::vector<std::string>& names);

  // The same for data without an end: the run's `steps`, each on a batch of its own. `loss` draws the batch of a step, counted from 0,
  // from that number and the seed alone, and gives its loss. An entry of the history is `every` steps.
  gradus::train::History fit_steps(gradus::nn::Module& model, gradus::optim::Optimizer& optimizer,
                                   const std::function<gradus::Tensor(std::int64_t step)>& loss, const StepOptions& options);

  // Called by Program: figures and report.
  void finish();

 private:
  // What has to be said about a history in the end. `at`: where its entries stand on the axis; no part: nothing was validated.
  void show(const gradus::train::History& history, const std::string& axis, const std::vector<double>& at, const std::string& part,
            const std::string& metric, bool scheduled);

  const Options options_;
  program::RunFolder folder_;
  std::string name_;
  std::vector<std::function<void(gradus::report::Page&)>> parts_;
  std::vector<std::pair<std::string, std::string>> results_;
};

}  // namespace training
