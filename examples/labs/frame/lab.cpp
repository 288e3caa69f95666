#include "lab.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <gradus/core/error.hpp>
#include <gradus/core/generator.hpp>
#include <gradus/core/parallel.hpp>
#include <gradus/report/files.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/report/text.hpp>

namespace lab {

using namespace gradus::report;
using Json = nlohmann::ordered_json;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Enough digits to see that two numbers agree.
std::string digits(double value) { return std::isnan(value) ? "" : format_number(value, 7); }

// JSON has no NaN.
Json or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string measured_text(const Check& check) {
  if (std::isnan(check.measured)) return "";
  return std::isnan(check.uncertainty) ? digits(check.measured) : plus_minus(check.measured, check.uncertainty);
}

std::string outcome(const Check& check) {
  if (std::isnan(check.predicted) && std::isnan(check.allowed) && !std::isnan(check.measured)) return "";
  return check.holds ? "agrees" : "DISAGREES";
}

}  // namespace

Claim::Claim(std::string id, std::string statement) : id_(std::move(id)), statement_(std::move(statement)) {}

Claim& Claim::equal(const std::string& quantity, double predicted, double found, Tolerance tolerance, const std::string& note) {
  const double allowed = tolerance.absolute + tolerance.relative * std::fabs(predicted);
  checks_.push_back({quantity, predicted, found, nan, allowed, std::fabs(predicted - found) <= allowed, note});
  return *this;
}

Claim& Claim::measured(const std::string& quantity, double predicted, double mean, double standard_error, Measurement options,
                       const std::string& note) {
  const double allowed = options.sigmas * standard_error + options.systematic;
  checks_.push_back({quantity, predicted, mean, standard_error, allowed, std::fabs(predicted - mean) <= allowed, note});
  return *this;
}

Claim& Claim::measured(const std::string& quantity, double predicted, const std::vector<double>& samples, Measurement options,
                       const std::string& note) {
  return measured(quantity, predicted, mean(samples), standard_error(samples), options, note);
}

Claim& Claim::at_most(const std::string& quantity, double limit, double value, const std::string& note) {
  checks_.push_back({quantity + ", at most", limit, value, nan, 0, value <= limit, note});
  return *this;
}

Claim& Claim::at_least(const std::string& quantity, double limit, double value, const std::string& note) {
  checks_.push_back({quantity + ", at least", limit, value, nan, 0, value >= limit, note});
  return *this;
}

Claim& Claim::holds(const std::string& statement, bool yes, const std::string& note) {
  checks_.push_back({statement, nan, nan, nan, nan, yes, note});
  return *this;
}

Claim& Claim::report(const std::string& quantity, double value, double uncertainty, const std::string& note) {
  checks_.push_back({quantity, nan, value, uncertainty, nan, true, note});
  return *this;
}

Claim& Claim::report(const std::string& quantity, double value) { return report(quantity, value, nan); }

Claim& Claim::verdict(Verdict verdict, const std::string& correct) {
  verdict_ = verdict;
  correct_ = correct;
  return *this;
}

Claim& Claim::figure(const std::string& name) {
  figure_ = name;
  return *this;
}

bool Claim::confirmed() const {
  bool all = verdict_.has_value();
  for (const Check& check : checks_) all = all && check.holds;
  return all;
}

Run::Run(Options options, program::RunFolder folder) : options_(std::move(options)), folder_(std::move(folder)) {}

std::optional<std::filesystem::path> Run::data(const std::string& path) const {
  std::error_code ignored;
  const std::filesystem::path whole = options_.data / path;
  if (options_.data.empty() || !std::filesystem::exists(whole, ignored)) return std::nullopt;
  return whole;
}

void Run::skip(const std::string& what, const std::string& why) {
  const std::string text = fmt::format("skipped: {}: {}", what, why);
  skipped_.push_back(text);
  say(text);
}

Claim& Run::claim(const std::string& id, const std::string& statement) { return claims_.emplace_back(id, statement); }

void Run::section(const std::string& title) {
  fmt::print("\n{}\n", title);
  std::fflush(stdout);
  parts_.push_back([=](Page& page) { page.heading(title); });
}

void Run::say(const std::string& text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
  parts_.push_back([=](Page& page) { page.paragraph(text); });
}

void Run::table(const Table& table) {
  fmt::print("{}", table.text());
  std::fflush(stdout);
  parts_.push_back([=](Page& page) { page.table(table); });
}

void Run::figure(const std::string& name, Figure figure, const std::string& caption) {
  figures_.push_back(name);
  folder_.figure(name, std::move(figure), caption);
}

void Run::check_interrupt() const {
  if (program::stop) throw program::Interrupted{};
}

int Run::finish(const std::string& name, const std::string& title, const std::string& question, double seconds) {
  bool all = !claims_.empty();
  Table console({"claim", Column("quantity").wrap(60), Column("predicted").right(), Column("measured").right(), "outcome"});
  Table rows({"claim", "quantity", "predicted", "measured", "uncertainty", "allowed", "holds", "note"});
  Json claims = Json::array();
  for (const Claim& claim : claims_) {
    if (!claim.verdict_) gradus::fail("lab", fmt::format("claim {} has no verdict", claim.id_));
    if (!claim.figure_.empty() && std::find(figures_.begin(), figures_.end(), claim.figure_) == figures_.end())
      gradus::fail("lab", fmt::format("claim {} names the figure \"{}\", which was not drawn", claim.id_, claim.figure_));
    Json checks = Json::array();
    for (const Check& c : claim.checks_) {
      console.row({claim.id_, c.quantity, digits(c.predicted), measured_text(c), outcome(c)});
      rows.row({claim.id_, c.quantity, c.predicted, c.measured, c.uncertainty, c.allowed, c.holds, c.note});
      checks.push_back({{"quantity", c.quantity}, {"predicted", or_null(c.predicted)}, {"measured", or_null(c.measured)},
                        {"uncertainty", or_null(c.uncertainty)}, {"holds", c.holds}});
    }
    console.rule();
    all = all && claim.confirmed();
    claims.push_back({{"id", claim.id_}, {"statement", claim.statement_}, {"verdict", std::string(gradus::report::name(*claim.verdict_))},
                      {"correct", claim.correct_}, {"confirmed", claim.confirmed()}, {"figure", claim.figure_}, {"checks", checks}});
  }
  fmt::print("\n{}\n", console.text());
  for (const Claim& claim : claims_)
    fmt::print("{} {}: {}\n   the chapter: {}\n   correct: {}\n", claim.id_, claim.confirmed() ? "verdict" : "NOT CONFIRMED",
               gradus::report::name(*claim.verdict_), claim.statement_, claim.correct_);

  const Json summary{{"lab", name}, {"title", title}, {"question", question}, {"quick", options_.quick}, {"seconds", seconds},
                     {"confirmed", all}, {"skipped", skipped_}, {"claims", claims}};
  write_file_atomically(folder_.path("results.csv").string(), rows.csv());
  write_file_atomically(folder_.path("claims.json").string(), summary.dump(2) + "\n");
  folder_.result("seconds", seconds);
  folder_.finish(title, question, [&](Page& page) {
    page.heading("Verdicts");
    for (const Claim& claim : claims_)
      page.callout(claim.confirmed() ? *claim.verdict_ : Verdict::neutral, fmt::format("{}: {}", claim.id_, claim.statement_),
                   claim.confirmed() ? claim.correct_ : "**Not confirmed**: a prediction and a measurement disagree. " + claim.correct_);
    page.heading("Prediction and measurement");
    page.table(console);
    for (const auto& part : parts_) part(page);
    page.heading("Figures");
  });
  fmt::print("{} in {:.1f} s; report: {}\n", all ? "every prediction agrees with its measurement" : "A PREDICTION AND ITS MEASUREMENT DISAGREE",
             seconds, folder_.path("report.html").string());
  return all ? 0 : 1;
}

Lab::Lab(std::string name, std::string title, std::string question)
    : name_(std::move(name)), title_(std::move(title)), question_(std::move(question)),
      app_(title_ + "\n" + question_ + "\nThe exit code is 1 when a measurement and its prediction disagree.") {
  if (const char* folder = std::getenv("GRADUS_DATASETS")) options_.data = folder;
  app_.option_defaults()->always_capture_default();
  app_.add_flag("--quick", options_.quick, "a small run that takes seconds");
  app_.add_option("--seed", options_.seed, "of everything that is random");
  app_.add_option("--threads", options_.threads, "0: all cores");
  app_.add_option("--data", options_.data, "the folder of the data sets (default: GRADUS_DATASETS)");
  app_.add_option("--out", options_.out, "the folder for the results (default: results/labs/NAME, results/labs/quick/NAME)");
}

int Lab::main(int argc, char** argv, const std::function<void(Run&)>& body) {
  return program::run(name_, [&] {
    program::parse(app_, argc, argv);
    if (options_.threads < 0) gradus::fail("--threads", fmt::format("{} threads", options_.threads));
    if (options_.threads > 0) gradus::set_num_threads(options_.threads);
    if (options_.out.empty()) options_.out = std::filesystem::path("results/labs") / (options_.quick ? "quick/" + name_ : name_);
    program::Settings settings{{"quick", options_.quick ? "yes" : "no"}, {"seed", fmt::format("{}", options_.seed)}};
    for (auto& setting : program::settings_of(app_, {"quick", "seed", "threads", "data", "out"})) settings.push_back(std::move(setting));
    Run run(options_, program::RunFolder(options_.out, name_, settings));
    program::stop_on_interrupt();
    gradus::manual_seed(options_.seed);
    fmt::print("{}\n{}\n", title_, question_);
    const auto start = std::chrono::steady_clock::now();
    body(run);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return run.finish(name_, title_, question_, seconds);
  });
}

}  // namespace lab
