#include "choosing.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include <gradus/core/error.hpp>
#include <gradus/report/table.hpp>
#include <gradus/report/text.hpp>

namespace choosing {

using namespace gradus::report;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Place {
  bool full = false;
  std::string mode;  // "", "predicted", "above", "below", "open", "side"
  std::string lab, quantity, other;
};

Place parse(const std::string& inside) {
  Place place;
  const std::size_t colon = inside.find(": ");
  if (colon == std::string::npos)
    gradus::fail("choosing.in.md", fmt::format("{{{{{}}}}} has no \"LAB: QUANTITY\"", inside));
  std::istringstream words(inside.substr(0, colon));
  std::vector<std::string> all;
  for (std::string word; words >> word;) all.push_back(word);
  if (all.size() > 1 && all.front() == "full") place.full = true, all.erase(all.begin());
  if (all.size() == 2) place.mode = all.front(), all.erase(all.begin());
  const std::vector<std::string> modes{"", "predicted", "above", "below", "open", "side"};
  if (all.size() != 1 || std::find(modes.begin(), modes.end(), place.mode) == modes.end())
    gradus::fail(
        "choosing.in.md",
        fmt::format("{{{{{}}}}} begins with no lab, nor with full, predicted, above, below, open or side and a lab",
                    inside));
  place.lab = all.front();
  place.quantity = inside.substr(colon + 2);
  const std::string minus = " --- ";
  if (const std::size_t at = place.quantity.find(minus); at != std::string::npos) {
    place.other = place.quantity.substr(at + minus.size());
    place.quantity.resize(at);
  }
  return place;
}

// The text cut at its places: pieces of text, and what is inside the braces behind each but the last.
struct Cut {
  std::vector<std::string> pieces, places;
};

Cut cut(const std::string& text) {
  Cut all;
  std::size_t from = 0;
  for (;;) {
    const std::size_t open = text.find("{{", from);
    all.pieces.push_back(text.substr(from, open == std::string::npos ? open : open - from));
    if (open == std::string::npos) return all;
    const std::size_t close = text.find("}}", open);
    if (close == std::string::npos)
      gradus::fail("choosing.in.md",
                   fmt::format("\"{}\" is not closed by }}}}",
                               text.substr(open, std::min<std::size_t>(40, text.find('\n', open) - open))));
    std::string inside = text.substr(open + 2, close - open - 2);
    std::replace(inside.begin(), inside.end(), '\n', ' ');
    all.places.push_back(std::move(inside));
    from = close + 2;
  }
}

std::optional<Measurement> found(const Results& lab, const std::string& quantity, bool predicted) {
  for (const Measurement& m : lab.measurements)
    if (m.quantity == quantity && std::isfinite(predicted ? m.predicted : m.measured)) return m;
  return std::nullopt;
}

std::string shown(double value, double uncertainty) {
  if (std::isfinite(uncertainty)) return plus_minus(value, uncertainty);
  return value == std::round(value) && std::fabs(value) < 1e6 ? fmt::format("{:.0f}", value) : format_number(value, 3);
}

// "above", "below" or, where noise is as large, "open".
std::string sign(const Place& place, double value, double uncertainty) {
  const double errors = place.quantity.find("half of the 95 % interval") != std::string::npos ? 1 : 2;
  const double band = std::isfinite(uncertainty) ? errors * uncertainty : 0;
  return value > band ? "above" : value < -band ? "below" : "open";
}

}  // namespace

Filled fill(const std::string& text, const std::map<std::string, Results>& labs) {
  const Cut parts = cut(text);
  Filled filled{parts.pieces.front(), {}, {}};
  for (std::size_t i = 0; i < parts.places.size(); ++i) {
    const Place place = parse(parts.places[i]);
    const auto lab = labs.find(place.lab);
    const bool predicted = place.mode == "predicted";
    const auto number = [&](const std::string& quantity) {
      const auto m = lab == labs.end() ? std::nullopt : found(lab->second, quantity, predicted);
      if (!m) {
        const std::string what = fmt::format("{}: there is no number \"{}\"", place.lab, quantity);
        if (lab == labs.end() || !(lab->second.skipped || (lab->second.quick && place.full)))
          filled.problems.push_back(what);
        else
          filled.absent.push_back(what);
      }
      return m;
    };
    const auto first = number(place.quantity);
    const auto second = place.other.empty() ? Measurement{"", 0, 0, nan} : number(place.other);
    if (first && second) {
      const double value = predicted ? first->predicted - second->predicted : first->measured - second->measured;
      const double uncertainty = predicted ? nan
                                 : !std::isfinite(second->uncertainty)
                                     ? first->uncertainty
                                     : std::hypot(first->uncertainty, second->uncertainty);
      const std::string found_sign = sign(place, value, uncertainty);
      if (place.mode == "side") {
        filled.text += found_sign == "above" ? "ahead" : found_sign == "below" ? "behind" : "undecided";
      } else {
        if (!predicted && !place.mode.empty() && !lab->second.quick && place.mode != found_sign)
          filled.problems.push_back(fmt::format("the text says \"{}\" of {}: {}, but it is {}: {}", place.mode,
                                                place.lab, place.quantity, shown(value, uncertainty), found_sign));
        filled.text += shown(value, uncertainty);
      }
    }
    filled.text += parts.pieces[i + 1];
  }
  return filled;
}

bool is_made_of(const std::string& page, const std::string& text) {
  std::size_t from = 0;
  for (const std::string& piece : cut(text).pieces) {
    const std::size_t at = page.find(piece, from);
    if (at == std::string::npos) return false;
    from = at + piece.size();
  }
  return true;
}

namespace {

// Links between pages become links between reports.
std::string relinked(std::string line) {
  const std::string ending = ".md)";
  for (std::size_t at; (at = line.find(ending)) != std::string::npos;) {
    const std::size_t begin = line.rfind('(', at) + 1;
    line.replace(at, ending.size(), line.compare(begin, at - begin, "index") == 0 ? ".html)" : "/report.html)");
  }
  return line;
}

// [words](target) is words: tables have no links.
std::string unlinked(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t middle = text[i] == '[' ? text.find("](", i) : std::string::npos;
    const std::size_t end = middle == std::string::npos ? middle : text.find(')', middle);
    if (end == std::string::npos) {
      plain += text[i];
    } else {
      plain += text.substr(i + 1, middle - i - 1);
      i = end;
    }
  }
  return plain;
}

std::vector<std::string> cells(const std::string& row) {
  std::vector<std::string> all;
  std::istringstream fields(row.substr(1));
  for (std::string field; std::getline(fields, field, '|');) {
    const std::size_t first = field.find_first_not_of(' '), last = field.find_last_not_of(' ');
    all.push_back(first == std::string::npos ? "" : unlinked(field.substr(first, last - first + 1)));
  }
  return all;
}

}  // namespace

void show(const std::string& markdown, Page& page) {
  std::vector<std::string> paragraph, items;
  std::optional<Table> table;
  const auto flush = [&] {
    if (!paragraph.empty()) page.paragraph(fmt::format("{}", fmt::join(paragraph, " ")));
    if (!items.empty()) page.list(items);
    if (table) page.table(*table);
    paragraph.clear(), items.clear(), table.reset();
  };
  std::istringstream lines(markdown);
  for (std::string line; std::getline(lines, line);) {
    line = relinked(line);
    if (line.empty() || line.rfind("# ", 0) == 0) {  // the page has a title of its own
      flush();
    } else if (line.rfind("## ", 0) == 0) {
      flush();
      page.heading(line.substr(3));
    } else if (line.rfind("|---", 0) == 0) {
      continue;
    } else if (line.front() == '|') {
      const std::vector<std::string> row = cells(line);
      if (table)
        table->row(std::vector<Cell>(row.begin(), row.end()));
      else
        table.emplace(std::vector<Column>(row.begin(), row.end()));
    } else if (line.rfind("- ", 0) == 0) {
      items.push_back(line.substr(2));
    } else if (!items.empty()) {
      items.back() += fmt::format(" {}", line.substr(line.find_first_not_of(' ')));
    } else {
      paragraph.push_back(line);
    }
  }
  flush();
}

}  // namespace choosing
