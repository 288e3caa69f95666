#include "gradus/report/table.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "gradus/core/format.hpp"

namespace gradus::report {
namespace {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};

std::string one_line(std::string_view text) {
  std::string out = clean_utf8(text);
  std::replace(out.begin(), out.end(), '\n', ' ');
  std::replace(out.begin(), out.end(), '\t', ' ');
  return out;
}

std::string pad(const std::string& text, std::size_t width, Column::Align align) {
  const std::size_t used = display_width(text), space = width > used ? width - used : 0;
  if (align == Column::Align::right) return std::string(space, ' ') + text;
  if (align == Column::Align::center) return std::string(space / 2, ' ') + text + std::string(space - space / 2, ' ');
  return text + std::string(space, ' ');
}

// Lines of at most `width` columns, broken at spaces; a longer word keeps a line of its own. width 0: one line.
std::vector<std::string> wrapped(const std::string& text, int width) {
  if (width <= 0 || display_width(text) <= static_cast<std::size_t>(width)) return {text};
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (!line.empty() && display_width(line) + 1 + display_width(word) > static_cast<std::size_t>(width)) {
      lines.push_back(std::move(line));
      line.clear();
    }
    line += line.empty() ? word : " " + word;
  }
  lines.push_back(std::move(line));
  return lines;
}

std::string without_trailing_space(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::holds:
      return "holds";
    case Verdict::holds_if:
      return "holds if";
    case Verdict::wrong:
      return "wrong";
    case Verdict::neutral:
      return "not tested";
  }
  return "?";
}

std::string Column::show(const Cell& cell) const {
  const auto number = [&](double value) {
    switch (notation_) {
      case Notation::fixed:
        return format_fixed(value, digits_);
      case Notation::percent:
        return std::isfinite(value) ? format_fixed(100 * value, digits_) + " %" : format_fixed(value, 0);
      default:
        return format_number(value, digits_);
    }
  };
  return std::visit(
      Overload{[](const std::string& text) { return text; }, number,
               [](std::int64_t value) { return std::to_string(value); },
               [&](Measured m) {
                 if (notation_ == Notation::significant) return plus_minus(m.mean, m.spread);
                 const bool percent = notation_ == Notation::percent;
                 const double scale = percent ? 100 : 1;
                 const std::string spread = std::isfinite(m.spread) ? format_fixed(scale * m.spread, digits_) : "n/a";
                 return fmt::format("{} ± {}{}", format_fixed(scale * m.mean, digits_), spread, percent ? " %" : "");
               },
               [](Verdict verdict) { return std::string(name(verdict)); }},
      cell.value());
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  if (columns_.empty()) fail("Table", "needs at least one column");
}

Table& Table::row(std::vector<Cell> cells) {
  if (cells.size() != columns_.size()) {
    std::vector<std::string> headings;
    for (const Column& column : columns_) headings.push_back(column.heading_);
    failf("Table::row", "got {} cells, but there are {} columns: {}", cells.size(), columns_.size(),
          fmt::join(headings, ", "));
  }
  rows_.push_back(std::move(cells));
  return *this;
}

Table& Table::rule() {
  if (rules_.empty() || rules_.back() != rows_.size()) rules_.push_back(rows_.size());
  return *this;
}

Table& Table::caption(std::string text) { return caption_ = std::move(text), *this; }

// A column of numbers stands right. Text among the numbers ("chance", "n/a") does not change that, text alone does.
Column::Align Table::align(std::size_t column) const {
  if (columns_[column].align_ != Column::Align::automatic) return columns_[column].align_;
  for (const auto& cells : rows_) {
    const Cell::Value& value = cells[column].value();
    if (!std::holds_alternative<std::string>(value) && !std::holds_alternative<Verdict>(value))
      return Column::Align::right;
  }
  return Column::Align::left;
}

std::string Table::text() const {
  std::vector<std::vector<std::vector<std::string>>> shown;  // row, column, line
  std::vector<std::size_t> width(columns());
  for (std::size_t c = 0; c < columns(); ++c) width[c] = display_width(one_line(columns_[c].heading_));
  for (const auto& cells : rows_) {
    auto& lines = shown.emplace_back();
    for (std::size_t c = 0; c < columns(); ++c) {
      lines.push_back(wrapped(one_line(columns_[c].show(cells[c])), columns_[c].wrap_));
      for (const std::string& line : lines.back()) width[c] = std::max(width[c], display_width(line));
    }
  }
  std::string rule_line;
  for (std::size_t c = 0; c < columns(); ++c) {
    if (c > 0) rule_line += "  ";
    for (std::size_t i = 0; i < width[c]; ++i) rule_line += "─";
  }
  rule_line += '\n';

  std::string out;
  if (!caption_.empty()) out += one_line(caption_) + '\n';
  std::string line;
  for (std::size_t c = 0; c < columns(); ++c)
    line += (c > 0 ? "  " : "") + pad(one_line(columns_[c].heading_), width[c], align(c));
  out += without_trailing_space(line) + '\n' + rule_line;
  for (std::size_t r = 0; r < shown.size(); ++r) {
    if (r > 0 && std::find(rules_.begin(), rules_.end(), r) != rules_.end()) out += rule_line;
    std::size_t height = 1;
    for (const auto& lines : shown[r]) height = std::max(height, lines.size());
    for (std::size_t i = 0; i < height; ++i) {
      line.clear();
      for (std::size_t c = 0; c < columns(); ++c)
        line += (c > 0 ? "  " : "") + pad(i < shown[r][c].size() ? shown[r][c][i] : "", width[c], align(c));
      out += without_trailing_space(line) + '\n';
    }
  }
  return out;
}

std::string Table::markdown() const {
  // What Markdown or the HTML inside it would take as a command is escaped.
  const auto escape = [](std::string_view text) {
    std::string out;
    for (char c : clean_utf8(text)) {
      if (c == '\n') {
        out += "<br>";
      } else if (c == '<') {
        out += "&lt;";
      } else if (c == '&') {
        out += "&amp;";
      } else {
        if (std::string_view("|\\`*_[]~").find(c) != std::string_view::npos) out += '\\';
        out += c;
      }
    }
    return out;
  };
  std::string out;
  if (!caption_.empty()) out += "**" + escape(caption_) + "**\n\n";
  out += '|';
  for (const Column& column : columns_) out += ' ' + escape(column.heading_) + " |";
  out += "\n|";
  for (std::size_t c = 0; c < columns(); ++c) {
    const Column::Align a = align(c);
    out += a == Column::Align::right ? " ---: |" : a == Column::Align::center ? " :---: |" : " --- |";
  }
  out += '\n';
  for (const auto& cells : rows_) {
    out += '|';
    for (std::size_t c = 0; c < columns(); ++c) out += ' ' + escape(columns_[c].show(cells[c])) + " |";
    out += '\n';
  }
  return out;
}

std::string Table::html() const {
  const auto with_breaks = [](std::string_view text) {
    std::string out;
    for (char c : escape_html(text)) c == '\n' ? out += "<br>" : out += c;
    return out;
  };
  const auto css_class = [&](std::size_t c) {
    const Column::Align a = align(c);
    return std::string_view(a == Column::Align::right    ? " class=\"number\""
                            : a == Column::Align::center ? " class=\"center\""
                                                         : "");
  };
  std::string out = "<table>\n";
  if (!caption_.empty()) out += "<caption>" + with_breaks(caption_) + "</caption>\n";
  out += "<thead><tr>";
  for (std::size_t c = 0; c < columns(); ++c)
    out += fmt::format("<th scope=\"col\"{}>{}</th>", css_class(c), with_breaks(columns_[c].heading_));
  out += "</tr></thead>\n<tbody>\n";
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const bool ruled = r > 0 && std::find(rules_.begin(), rules_.end(), r) != rules_.end();
    out += ruled ? "<tr class=\"rule\">" : "<tr>";
    for (std::size_t c = 0; c < columns(); ++c) {
      const std::string text = with_breaks(columns_[c].show(rows_[r][c]));
      if (const auto* verdict = std::get_if<Verdict>(&rows_[r][c].value())) {
        constexpr const char* classes[] = {"holds", "holds-if", "wrong", "neutral"};
        out += fmt::format("<td><span class=\"verdict {}\">{}</span></td>", classes[static_cast<int>(*verdict)], text);
      } else {
        out += fmt::format("<td{}>{}</td>", css_class(c), text);
      }
    }
    out += "</tr>\n";
  }
  return out + "</tbody>\n</table>\n";
}

std::vector<std::string> csv_fields(const std::vector<Cell>& cells) {
  std::vector<std::string> fields;
  for (const Cell& cell : cells)
    std::visit(Overload{[&](const std::string& text) { fields.push_back(text); },
                        [&](double value) { fields.push_back(round_trip(value)); },
                        [&](std::int64_t value) { fields.push_back(std::to_string(value)); },
                        [&](Measured m) {
                          fields.push_back(round_trip(m.mean));
                          fields.push_back(std::isnan(m.spread) ? "" : round_trip(m.spread));
                        },
                        [&](Verdict verdict) { fields.emplace_back(name(verdict)); }},
               cell.value());
  return fields;
}

std::string Table::csv() const {
  std::vector<bool> measured(columns());
  for (const auto& cells : rows_)
    for (std::size_t c = 0; c < columns(); ++c)
      measured[c] = measured[c] || std::holds_alternative<Measured>(cells[c].value());
  std::string out;
  const auto line = [&](const std::vector<std::string>& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) out += (i > 0 ? "," : "") + escape_csv(fields[i]);
    out += '\n';
  };
  std::vector<std::string> fields;
  for (std::size_t c = 0; c < columns(); ++c) {
    fields.push_back(columns_[c].heading_);
    if (measured[c]) fields.push_back(columns_[c].heading_ + " ±");
  }
  line(fields);
  for (const auto& cells : rows_) {
    fields.clear();
    for (std::size_t c = 0; c < columns(); ++c) {
      for (std::string& field : csv_fields({cells[c]})) fields.push_back(std::move(field));
      if (measured[c] && !std::holds_alternative<Measured>(cells[c].value())) fields.emplace_back();
    }
    line(fields);
  }
  return out;
}

std::ostream& operator<<(std::ostream& stream, const Table& table) { return stream << table.text(); }

}  // namespace gradus::report
