#pragma once
// The frame of the labs: a program states a question, lets theory predict, measures, sets both side by side with an uncertainty, and
// ends with a verdict for each claim it puts to the test. The exit code is 1 when a measurement and its prediction disagree.
//
//   int main(int argc, char** argv) {
//     lab::Lab lab("signal_moments", "Moments of ReLU and GELU", "How large are ...?");
//     return lab.main(argc, argv, [](lab::Run& run) {
//       lab::Claim& g1 = run.claim("G1", "The variance of GELU(X) needs numerical integration.");
//       g1.equal("Var GELU", theory::..., closed_form, {.relative = 1e-13});
//       g1.measured("E GELU", prediction, sample_mean, standard_error);
//       g1.verdict(Verdict::wrong, "It has a closed form: Var = 1/3 + 1/(2 pi sqrt 3) - 1/(4 pi).");
//     });
//   }
//
// Everything lands in one folder (--out): results.csv (every comparison), claims.json (the verdicts), run.json, figures, report.html.
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <gradus/report/html.hpp>
#include <gradus/report/plot.hpp>
#include <gradus/report/table.hpp>

#include "../../common/program.hpp"
#include "../../common/run_folder.hpp"

namespace lab {

using gradus::report::Verdict;

// How far apart two numbers may be that should be the same: |a - b| <= absolute + relative |a|.
struct Tolerance {
  double relative = 0;
  double absolute = 0;
};

// One line of a comparison.
struct Check {
  std::string quantity;
  double predicted;          // NaN: nothing is predicted, `holds` alone is looked at
  double measured;
  double uncertainty;        // standard error of the measurement; NaN: it has none
  double allowed;            // how far apart they may be; NaN for a statement that holds or does not
  bool holds;
  std::string note = {};     // where the prediction comes from
};

class Claim {
 public:
  Claim(std::string id, std::string statement);

  // A prediction and a number that was found in another way, without randomness.
  Claim& equal(const std::string& quantity, double predicted, double found, Tolerance tolerance, const std::string& note = {});
  // A prediction and a measurement with its standard error. They agree when they are no more than `sigmas` standard errors apart; four
  // is what one in 16000 measurements exceeds by chance. `systematic` is what the prediction itself may be off by (a finite width).
  struct Measurement {
    double sigmas = 4;
    double systematic = 0;
  };
  Claim& measured(const std::string& quantity, double predicted, double mean, double standard_error) {
    return measured(quantity, predicted, mean, standard_error, Measurement{});
  }
  Claim& measured(const std::string& quantity, double predicted, double mean, double standard_error, Measurement options,
                  const std::string& note = {});
  // The same for samples: their mean, and the standard error that they show.
  Claim& measured(const std::string& quantity, double predicted, const std::vector<double>& samples) {
    return measured(quantity, predicted, samples, Measurement{});
  }
  Claim& measured(const std::string& quantity, double predicted, const std::vector<double>& samples, Measurement options,
                  const std::string& note = {});
  // A bound: value <= limit, or value >= limit.
  Claim& at_most(const std::string& quantity, double limit, double value, const std::string& note = {});
  Claim& at_least(const std::string& quantity, double limit, double value, const std::string& note = {});
  // A statement that holds or does not.
  Claim& holds(const std::string& statement, bool yes, const std::string& note = {});
  // A number that is shown and not judged, e.g. because theory says nothing about it.
  Claim& report(const std::string& quantity, double value, double uncertainty, const std::string& note = {});
  Claim& report(const std::string& quantity, double value);

  // What came of the claim, and the statement that is true. It counts only if all checks hold.
  Claim& verdict(Verdict verdict, const std::string& correct);
  // The figure of the lab that shows it, by name.
  Claim& figure(const std::string& name);

  const std::string& id() const { return id_; }
  const std::string& statement() const { return statement_; }
  bool confirmed() const;

 private:
  friend class Run;
  std::string id_, statement_, correct_, figure_;
  std::optional<Verdict> verdict_;
  std::vector<Check> checks_;
};

class Run {
 public:
  struct Options {
    bool quick = false;
    std::uint64_t seed = 1;
    int threads = 0;
    std::filesystem::path out, data;
  };
  Run(Options options, program::RunFolder folder);

  bool quick() const { return options_.quick; }
  std::uint64_t seed() const { return options_.seed; }
  // The first in a full run, the second with --quick.
  template <class T>
  T pick(T full, T quick) const {
    return options_.quick ? quick : full;
  }
  // A file or folder of the data sets; nothing when --data does not have it.
  std::optional<std::filesystem::path> data(const std::string& path) const;
  // Says on the console and in the report that something was left out, and why.
  void skip(const std::string& what, const std::string& why);

  Claim& claim(const std::string& id, const std::string& statement);
  // A heading, text or table for console and report. Prose understands `code` and **strong**.
  void section(const std::string& title);
  void say(const std::string& text);
  void table(const gradus::report::Table& table);
  void figure(const std::string& name, gradus::report::Figure figure, const std::string& caption);
  // Throws Interrupted after Ctrl-C. Call it between the parts of a long run.
  void check_interrupt() const;

 private:
  friend class Lab;
  int finish(const std::string& name, const std::string& title, const std::string& question, double seconds);
  Options options_;
  program::RunFolder folder_;
  std::deque<Claim> claims_;
  std::vector<std::function<void(gradus::report::Page&)>> parts_;
  std::vector<std::string> figures_, skipped_;
};

class Lab {
 public:
  Lab(std::string name, std::string title, std::string question);
  // To add options of the lab's own.
  CLI::App& app() { return app_; }
  int main(int argc, char** argv, const std::function<void(Run&)>& body);

 private:
  std::string name_, title_, question_;
  Run::Options options_;
  CLI::App app_;
};

}  // namespace lab
