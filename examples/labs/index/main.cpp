// Gathers what the labs wrote into one page: for each claim the chapter's sentence, the verdict, the numbers and the figure.
//
//   labs_index --results results/labs                     writes results/labs/index.html
//   labs_index --results results/labs --docs docs/labs    writes docs/labs/index.md and the figures it shows as well, and fills
//                                                         docs/labs/choosing.in.md with numbers: choosing.md, results/labs/choosing.html
//   labs_index --results build/labs --check docs/labs     writes nothing; fails where docs/labs/index.md has other verdicts, and where
//                                                         choosing.in.md asks for numbers that are not there
#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <gradus/core/error.hpp>
#include <gradus/report/files.hpp>
#include <gradus/report/html.hpp>
#include <gradus/report/text.hpp>

#include "../../common/program.hpp"
#include "choosing.hpp"

namespace fs = std::filesystem;
using namespace gradus::report;
using Json = nlohmann::ordered_json;

namespace {

struct Entry {
  std::string lab, title, id, statement, verdict, correct, figure;
  std::vector<std::string> numbers;
  bool confirmed;
};

// The chapters' claims: G1 to G16 and E0 to E14.
std::vector<std::string> all_claims() {
  std::vector<std::string> ids;
  for (int i = 1; i <= 16; ++i) ids.push_back(fmt::format("G{}", i));
  for (int i = 0; i <= 14; ++i) ids.push_back(fmt::format("E{}", i));
  return ids;
}

std::size_t place(const std::string& id) {
  const std::vector<std::string> ids = all_claims();
  return std::size_t(std::find(ids.begin(), ids.end(), id) - ids.begin());
}

std::string number(const Json& value) { return value.is_null() ? "" : format_number(value.get<double>(), 5); }

// "E GELU: 0.2821, measured 0.2834 ± 0.0017"
std::string line(const Json& check) {
  const std::string quantity = check.at("quantity"), predicted = number(check.at("predicted"));
  const Json &measured = check.at("measured"), &uncertainty = check.at("uncertainty");
  if (measured.is_null()) return quantity;
  const std::string found = uncertainty.is_null() ? number(measured) : plus_minus(measured.get<double>(), uncertainty.get<double>());
  return predicted.empty() ? fmt::format("{}: {}", quantity, found) : fmt::format("{}: {}, found {}", quantity, predicted, found);
}

struct Found {
  std::vector<Entry> entries;
  std::map<std::string, choosing::Results> labs;
};

double or_nan(const Json& value) { return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>(); }

void read_lab(const Json& lab, Found& found) {
  choosing::Results& results = found.labs[lab.at("lab")];
  results.skipped = !lab.at("skipped").empty();
  results.quick = lab.at("quick");
  for (const Json& claim : lab.at("claims")) {
    Entry entry{lab.at("lab"),        lab.at("title"),     claim.at("id"), claim.at("statement"), claim.at("verdict"),
                claim.at("correct"), claim.at("figure"), {},             claim.at("confirmed")};
    for (const Json& check : claim.at("checks")) {
      entry.numbers.push_back(line(check));
      results.measurements.push_back(
          {check.at("quantity"), or_nan(check.at("predicted")), or_nan(check.at("measured")), or_nan(check.at("uncertainty"))});
    }
    found.entries.push_back(std::move(entry));
  }
}

Found read_results(const fs::path& results) {
  Found found;
  std::error_code error;
  for (const fs::directory_entry& folder : fs::directory_iterator(results, error)) {
    const fs::path file = folder.path() / "claims.json";
    if (!fs::exists(file, error)) continue;
    try {
      read_lab(Json::parse(read_file(file.string())), found);
    } catch (const Json::exception& broken) {
      gradus::fail("labs_index", fmt::format("{} is damaged: {}", file.string(), broken.what()));
    }
  }
  if (found.entries.empty())
    gradus::fail("labs_index", fmt::format("{} has no results of a lab; `make labs` makes them", results.string()));
  std::sort(found.entries.begin(), found.entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(place(a.id), a.lab) < std::pair(place(b.id), b.lab);
  });
  return found;
}

Verdict as_verdict(const std::string& text) {
  for (const Verdict verdict : {Verdict::holds, Verdict::holds_if, Verdict::wrong})
    if (name(verdict) == text) return verdict;
  return Verdict::neutral;
}

std::string anchor(const Entry& entry) { return fmt::format("{} ({})", entry.id, entry.lab); }

// The row of a claim in docs/labs/index.md; what --check looks for.
std::string row(const Entry& entry) {
  return fmt::format("| {} | {} | **{}** | [{}]({}.md) |", entry.id, entry.statement, entry.verdict, entry.lab, entry.lab);
}

std::string markdown(const std::vector<Entry>& entries) {
  std::string text =
      "# What the chapters claim, and what came out\n\n"
      "Written by `make labs` from the output of the programs. Each claim is put to the test by a lab: the chapter's sentence in one\n"
      "line, the verdict, and below the numbers (prediction, then what was found, with its standard error) and a figure. Which activation\n"
      "to take for what, by these numbers, is in [choosing.md](choosing.md).\n\n"
      "| claim | the chapter says | verdict | lab |\n|---|---|---|---|\n";
  for (const Entry& entry : entries) text += row(entry) + "\n";
  std::vector<std::string> missing;
  for (const std::string& id : all_claims())
    if (std::none_of(entries.begin(), entries.end(), [&](const Entry& e) { return e.id == id; })) missing.push_back(id);
  if (!missing.empty()) text += fmt::format("\nWithout a lab so far: {}.\n", fmt::join(missing, ", "));
  for (const Entry& entry : entries) {
    text += fmt::format("\n## {}\n\n> {}\n\n**{}.** {}\n\n", anchor(entry), entry.statement, entry.verdict, entry.correct);
    constexpr std::size_t shown = 12;
    for (std::size_t i = 0; i < std::min(shown, entry.numbers.size()); ++i) text += "- " + entry.numbers[i] + "\n";
    if (entry.numbers.size() > shown) text += fmt::format("- and {} more, in the lab's results.csv\n", entry.numbers.size() - shown);
    if (!entry.figure.empty()) text += fmt::format("\n![{}](figures/{}_{}.svg)\n", anchor(entry), entry.lab, entry.figure);
  }
  return text;
}

void write_page(const fs::path& results, const std::vector<Entry>& entries, bool with_choosing) {
  Page page("What the chapters claim, and what came out", "All verdicts, numbers and figures of the labs");
  std::vector<Page::Card> cards;
  for (const Entry& entry : entries)
    cards.push_back({fmt::format("{}: {}", entry.id, entry.title), entry.lab + "/report.html", entry.statement,
                     entry.confirmed ? as_verdict(entry.verdict) : Verdict::neutral, true});
  page.cards(cards);
  if (with_choosing) page.paragraph("What these numbers say about which activation to take: [Which activation?](choosing.html)");
  for (const Entry& entry : entries) {
    page.heading(anchor(entry));
    page.callout(entry.confirmed ? as_verdict(entry.verdict) : Verdict::neutral, entry.statement,
                 (entry.confirmed ? "" : "**Not confirmed by the last run.** ") + entry.correct);
    page.details("Numbers", [&](Page& inner) { inner.list(entry.numbers); });
    if (!entry.figure.empty())
      page.picture(read_file((results / entry.lab / "figures" / (entry.figure + ".svg")).string()), anchor(entry));
  }
  page.save((results / "index.html").string());
}

// What stands in the way of the page; true if anything does. `absent` is no mistake, but the page stays what it was.
bool report_problems(const choosing::Filled& page) {
  for (const std::string& problem : page.problems) fmt::print("choosing.in.md: {}\n", problem);
  return !page.problems.empty();
}

int write_choosing(const fs::path& results, const fs::path& docs, const std::map<std::string, choosing::Results>& labs) {
  const choosing::Filled filled = choosing::fill(read_file((docs / "choosing.in.md").string()), labs);
  if (report_problems(filled)) return 1;
  const fs::path target = docs / "choosing.md", shown = results / "choosing.html";
  if (filled.absent.empty())
    write_file_atomically(target.string(), filled.text);
  else
    fmt::print("choosing.md stays what it was; labs left out what it needs, e.g. {}\n", filled.absent.front());
  Page page("Which activation?", "What the labs' numbers say");
  choosing::show(read_file(target.string()), page);
  page.save(shown.string());
  fmt::print("{}\n{}\n", target.string(), shown.string());
  return 0;
}

bool check_choosing(const fs::path& docs, const std::map<std::string, choosing::Results>& labs) {
  const std::string text = read_file((docs / "choosing.in.md").string());
  const bool made = choosing::is_made_of(read_file((docs / "choosing.md").string()), text);
  if (!made) fmt::print("choosing.md is not made of choosing.in.md as it is now; run `make labs`\n");
  return !report_problems(choosing::fill(text, labs)) && made;
}

int check(const std::vector<Entry>& entries, const fs::path& docs) {
  const std::string text = read_file((docs / "index.md").string());
  int missing = 0;
  for (const Entry& entry : entries)
    if (text.find(row(entry)) == std::string::npos) {
      fmt::print("index.md does not have this row; run `make labs`:\n  {}\n", row(entry));
      ++missing;
    }
  return missing == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return program::run("labs_index", [&] {
    fs::path results = "results/labs", docs, checked;
    CLI::App app{"Gathers what the labs wrote into one page."};
    app.add_option("--results", results, "the folder with a folder for each lab");
    app.add_option("--docs", docs, "write index.md, figures and choosing.md here as well");
    app.add_option("--check", checked, "only compare with index.md and choosing.in.md in this folder");
    program::parse(app, argc, argv);
    const Found found = read_results(results);
    const std::vector<Entry>& entries = found.entries;
    if (!checked.empty()) {
      const bool choosing_holds = check_choosing(checked, found.labs);
      return check(entries, checked) == 0 && choosing_holds ? 0 : 1;
    }
    write_page(results, entries, !docs.empty());
    fmt::print("{}\n", (results / "index.html").string());
    if (docs.empty()) return 0;
    create_folder((docs / "figures").string());
    for (const Entry& entry : entries)
      if (!entry.figure.empty())
        write_file_atomically((docs / "figures" / (entry.lab + "_" + entry.figure + ".svg")).string(),
                              read_file((results / entry.lab / "figures" / (entry.figure + ".svg")).string()));
    write_file_atomically((docs / "index.md").string(), markdown(entries));
    fmt::print("{}\n", (docs / "index.md").string());
    return write_choosing(results, docs, found.labs);
  });
}
