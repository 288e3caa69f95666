#pragma once
// One table, four faces: aligned console text, Markdown, HTML and CSV.
//
//   Table table({"activation", Column("test loss").fixed(4), Column("accuracy").percent(1)});
//   table.row({"relu", Measured{0.4123, 0.0031}, 0.871});
//   std::cout << table;
#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gradus/report/text.hpp"

namespace gradus::report {

/// What came of a claim. Neutral is for claims that were not put to the test.
enum class Verdict { holds, holds_if, wrong, neutral };

/// "holds", "holds if", "wrong", "not tested".
std::string_view name(Verdict verdict);

/// A mean and its spread (a standard deviation, unless the heading says otherwise); spread NaN: only one value.
struct Measured {
  double mean;
  double spread;
};

/// What stands in one place of a table.
class Cell {
 public:
  using Value = std::variant<std::string, double, std::int64_t, Measured, Verdict>;
  Cell(std::string text) : value_(std::move(text)) {}
  Cell(std::string_view text) : value_(std::string(text)) {}
  Cell(const char* text) : value_(std::string(text)) {}
  Cell(std::floating_point auto number) : value_(static_cast<double>(number)) {}
  Cell(std::integral auto number) : value_(static_cast<std::int64_t>(number)) {}
  Cell(bool yes) : value_(std::string(yes ? "yes" : "no")) {}
  Cell(Measured measured) : value_(measured) {}
  Cell(Verdict verdict) : value_(verdict) {}
  const Value& value() const { return value_; }

 private:
  Value value_;
};

/// A heading and how the cells below it look. Numbers stand right and text left unless told otherwise.
class Column {
 public:
  enum class Align { automatic, left, center, right };
  enum class Notation { significant, fixed, percent };

  Column(std::string heading) : heading_(std::move(heading)) {}
  Column(const char* heading) : heading_(heading) {}

  Column& left() { return align_ = Align::left, *this; }
  Column& center() { return align_ = Align::center, *this; }
  Column& right() { return align_ = Align::right, *this; }
  /// So many significant digits; the default is 4.
  Column& significant(int digits) { return notation_ = Notation::significant, digits_ = digits, *this; }
  /// So many digits behind the point.
  Column& fixed(int decimals) { return notation_ = Notation::fixed, digits_ = decimals, *this; }
  /// Fractions shown as percent: 0.871 -> "87.1 %".
  Column& percent(int decimals) { return notation_ = Notation::percent, digits_ = decimals, *this; }
  /// In console text, longer cells continue on the next line.
  Column& wrap(int width) { return wrap_ = width, *this; }

  const std::string& heading() const { return heading_; }

 private:
  friend class Table;
  std::string show(const Cell& cell) const;
  std::string heading_;
  Align align_ = Align::automatic;
  Notation notation_ = Notation::significant;
  int digits_ = 4;
  int wrap_ = 0;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns);

  /// Adds a row. Throws when it does not have one cell per column.
  Table& row(std::vector<Cell> cells);
  /// A line between the rows before and after.
  Table& rule();
  Table& caption(std::string text);

  std::size_t rows() const { return rows_.size(); }
  std::size_t columns() const { return columns_.size(); }

  /// For the console, aligned by display width; ends with a line break.
  std::string text() const;
  /// A GitHub-flavoured Markdown table.
  std::string markdown() const;
  /// A <table> element, every text escaped.
  std::string html() const;
  /// RFC 4180 fields, lines end with \n. Numbers are written in full, whatever the column shows; a column with Measured
  /// cells is followed by a second one, "heading ±", that holds the spreads (empty where there is none).
  std::string csv() const;

 private:
  Column::Align align(std::size_t column) const;
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
  std::vector<std::size_t> rules_;
  std::string caption_;
};

std::ostream& operator<<(std::ostream& stream, const Table& table);

/// The fields of a CSV line for these cells, numbers in full; Measured gives two fields.
std::vector<std::string> csv_fields(const std::vector<Cell>& cells);

}  // namespace gradus::report
