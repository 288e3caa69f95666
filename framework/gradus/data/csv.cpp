#include "gradus/data/csv.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "gradus/core/format.hpp"
#include "gradus/data/byte_reader.hpp"

namespace gradus::data {
namespace {

constexpr std::uint64_t most_text = std::uint64_t{1} << 31;
constexpr std::size_t most_categories = 1000;
constexpr char blanks = ' ';

struct Row {
  std::vector<std::string> fields;
  Index line;  // of its beginning, from 1
};

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t most = 40;
  return fmt::format("'{}{}'", text.substr(0, most), text.size() > most ? "..." : "");
}

// Cuts text into rows of fields. Lines end in LF or CRLF; empty ones are skipped.
class Scanner {
 public:
  Scanner(std::string_view text, char delimiter, const std::string& path)
      : text_(text), delimiter_(delimiter), path_(path) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);  // the byte order mark of UTF-8
  }

  // The next row, or false at the end.
  bool next(Row& row) {
    while (skip_empty_line()) {
    }
    if (at_ == text_.size()) return false;
    row.fields.clear();
    row.line = line_;
    if (delimiter_ == blanks) skip_blanks();
    for (;;) {
      row.fields.push_back(field());
      if (at_ == text_.size()) return true;
      if (at_line_end()) {
        end_line();
        return true;
      }
      if (delimiter_ == blanks) {
        skip_blanks();
        if (at_ == text_.size()) return true;
        if (at_line_end()) {
          end_line();
          return true;
        }
      } else {
        ++at_;  // the delimiter
      }
    }
  }

 private:
  bool at_line_end() const {
    return at_ < text_.size() &&
           (text_[at_] == '\n' || (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n'));
  }
  bool at_field_end() const {
    return at_ == text_.size() || at_line_end() ||
           (delimiter_ == blanks ? is_blank(text_[at_]) : text_[at_] == delimiter_);
  }
  void end_line() {
    at_ += text_[at_] == '\r' ? 2 : 1;
    ++line_;
  }
  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  // Blanks and an end of line; tabs are fields where they are the delimiter.
  bool skip_empty_line() {
    std::size_t end = at_;
    while (end < text_.size() &&
           (text_[end] == ' ' || text_[end] == '\r' || (text_[end] == '\t' && delimiter_ != '\t')))
      ++end;
    if (end == text_.size()) {
      at_ = end;
      return false;
    }
    if (text_[end] != '\n') return false;
    at_ = end + 1;
    ++line_;
    return true;
  }

  std::string field() {
    const std::size_t start = at_;
    if (delimiter_ != '\t')
      skip_blanks();
    else
      while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (at_ < text_.size() && text_[at_] == '"') return quoted_field();
    at_ = start;
    while (!at_field_end()) {
      if (text_[at_] == '\0') failf("csv", "{}: line {} holds a zero byte; this is no text", path_, line_);
      ++at_;
    }
    return std::string(trimmed(text_.substr(start, at_ - start)));
  }

  std::string quoted_field() {
    const Index line = line_;
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') ++line_;
      if (c != '"') {
        value += c;
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        value += '"';
        ++at_;
      } else {
        ++at_;
        if (delimiter_ != blanks)
          while (at_ < text_.size() && text_[at_] == ' ') ++at_;
        if (!at_field_end()) failf("csv", "{}: line {} goes on after the closing quote of a field", path_, line_);
        return value;
      }
    }
    failf("csv", "{}: the quote opened in line {} is never closed", path_, line);
  }

  std::string_view text_;
  char delimiter_;
  const std::string& path_;
  std::size_t at_ = 0;
  Index line_ = 1;
};

// The number of fields in each of the first rows, if it is the same in all of them; else 0.
std::size_t consistent_fields(std::string_view text, char delimiter, const std::string& path) {
  constexpr int rows = 20;
  Scanner scanner(text, delimiter, path);
  Row row;
  std::size_t fields = 0;
  try {
    for (int i = 0; i < rows && scanner.next(row); ++i) {
      if (fields != 0 && row.fields.size() != fields) return 0;
      fields = row.fields.size();
    }
  } catch (const Error&) {
    return 0;  // quotes that make no sense with this delimiter
  }
  return fields;
}

// The delimiter that cuts the first rows into equally many fields, two at least, and as many as possible.
char find_delimiter(std::string_view text, const std::string& path) {
  char best = 0;
  std::size_t most = 1;
  for (const char delimiter : {',', ';', '\t', blanks}) {
    const std::size_t fields = consistent_fields(text, delimiter, path);
    if (fields > most) most = fields, best = delimiter;
  }
  if (best != 0) return best;
  // No clear answer: the first one that occurs, so that the message is about the line at fault.
  const std::string_view line = text.substr(0, text.find('\n'));
  for (const char delimiter : {',', ';', '\t'})
    if (line.find(delimiter) != std::string_view::npos) return delimiter;
  return blanks;
}

// The value of a field that is entirely a number.
std::optional<double> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::numeric_limits<double>::infinity();
  if (error != std::errc{}) return std::nullopt;
  return value;
}

struct Table {
  std::string path;
  std::vector<Row> rows;
  std::vector<std::string> names;
  bool has_header = false;
  std::vector<std::string> missing_marks;

  bool missing(const std::string& field) const {
    return std::find(missing_marks.begin(), missing_marks.end(), field) != missing_marks.end();
  }
  std::string where(const Row& row, std::size_t column) const {
    return fmt::format("{}: line {}, column {} ('{}')", path, row.line, column, names[column]);
  }
  float checked(const Row& row, std::size_t column, double value) const {
    if (!(std::abs(value) <= double(std::numeric_limits<float>::max())))
      failf("csv", "{}: {} is not finite in float32", where(row, column), in_quotes(row.fields[column]));
    return float(value);
  }
};

Table read_table(const std::string& path, const CsvOptions& options) {
  const std::string text = read_text("csv", path, most_text);
  const char delimiter = options.delimiter != 0 ? options.delimiter : find_delimiter(text, path);
  if (delimiter == '"' || delimiter == '\n' || delimiter == '\r')
    failf("csv", "{}: a quote or an end of line is no delimiter", path);
  Table table{.path = path, .rows = {}, .names = {}, .missing_marks = options.missing_marks};
  Scanner scanner(text, delimiter, path);
  for (Row row; scanner.next(row);) {
    if (!table.rows.empty() && row.fields.size() != table.rows.front().fields.size())
      failf("csv", "{}: line {} has {} fields, but line {} has {}; hint: .delimiter says what separates them", path,
            row.line, row.fields.size(), table.rows.front().line, table.rows.front().fields.size());
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) failf("csv", "{}: holds no rows", path);

  table.has_header = options.header == Header::present;
  if (options.header == Header::automatic && table.rows.size() > 1) {
    const auto has_number = [](const Row& row) {
      return std::any_of(row.fields.begin(), row.fields.end(),
                         [](const std::string& field) { return number(field).has_value(); });
    };
    table.has_header = !has_number(table.rows[0]) && has_number(table.rows[1]);
  }
  const std::size_t columns = table.rows.front().fields.size();
  if (table.has_header) {
    table.names = table.rows.front().fields;
    table.rows.erase(table.rows.begin());
    if (table.rows.empty()) failf("csv", "{}: holds a header but no rows", path);
  } else {
    for (std::size_t c = 0; c < columns; ++c) table.names.push_back(fmt::format("column {}", c));
  }
  return table;
}

std::size_t find_column(const Table& table, const Column& wanted, const char* what) {
  const Index columns = Index(table.names.size());
  if (const Index* place = std::get_if<Index>(&wanted)) {
    const Index column = *place < 0 ? *place + columns : *place;
    if (column < 0 || column >= columns)
      failf("csv", "{}: there is no column {} for the {}; there are {} columns", table.path, *place, what, columns);
    return std::size_t(column);
  }
  const std::string& name = std::get<std::string>(wanted);
  const auto count = std::count(table.names.begin(), table.names.end(), name);
  if (count == 0)
    failf("csv", "{}: there is no column '{}' for the {}; {}: {}", table.path, name, what,
          table.has_header ? "the header has" : "no header was found, the columns are called",
          fmt::join(table.names, ", "));
  if (count > 1)
    failf("csv", "{}: {} columns are called '{}'; name the one for the {} by its place", table.path, count, name, what);
  return std::size_t(std::find(table.names.begin(), table.names.end(), name) - table.names.begin());
}

// Removes the rows that `options.missing` drops; throws for the ones it does not allow.
void settle_missing(Table& table, const CsvOptions& options, const std::vector<std::size_t>& features,
                    std::size_t target) {
  const auto dropped = [&](const Row& row) {
    const auto check = [&](std::size_t column) {
      if (!table.missing(row.fields[column])) return false;
      if (options.missing == Missing::error)
        failf(
            "csv",
            "{}: the value is missing; .missing = Missing::drop leaves such rows out, Missing::mean fills in the mean",
            table.where(row, column));
      return true;
    };
    bool drop = check(target);
    for (const std::size_t column : features) drop = (check(column) && options.missing == Missing::drop) || drop;
    return drop;
  };
  std::erase_if(table.rows, dropped);
  if (table.rows.empty()) failf("csv", "{}: every row has a missing value; none is left", table.path);
}

// One column of the file as one column of numbers, or as several of 0 and 1.
struct Feature {
  std::size_t column;
  std::vector<std::string> words;  // empty: numbers
  double mean = 0;                 // for missing ones
};

Feature describe(const Table& table, std::size_t column, const CsvOptions& options) {
  Feature feature{column, {}};
  double sum = 0;
  Index count = 0;
  std::set<std::string> words;
  const Row* first_word = nullptr;
  for (const Row& row : table.rows) {
    const std::string& field = row.fields[column];
    if (table.missing(field)) continue;
    const std::optional<double> value = number(field);
    if (!value && first_word == nullptr) first_word = &row;
    if (value) sum += double(table.checked(row, column, *value)), ++count;
    if (options.categorical) words.insert(field);
    if (first_word != nullptr && words.size() > most_categories)
      failf("csv", "{}: the column has words, and more than {} different values; hint: .ignore leaves it out",
            table.where(*first_word, column), most_categories);
  }
  if (first_word != nullptr) {
    if (!options.categorical)
      failf("csv",
            "{}: {} is no number; hint: .categorical = true makes columns of 0 and 1 of it, .ignore leaves it out",
            table.where(*first_word, column), in_quotes(first_word->fields[column]));
    feature.words.assign(words.begin(), words.end());
    return feature;
  }
  if (count == 0)
    failf("csv", "{}: column {} ('{}') has no value at all; hint: .ignore leaves it out", table.path, column,
          table.names[column]);
  feature.mean = sum / double(count);
  return feature;
}

void set_classes(Dataset& dataset, const Table& table, std::size_t target, const CsvOptions& options) {
  // Numbers in the order of their values, "1" and "1.0" being one label; words in that of the alphabet.
  const bool numbers = std::all_of(table.rows.begin(), table.rows.end(),
                                   [&](const Row& row) { return number(row.fields[target]).has_value(); });
  using Key = std::pair<double, std::string>;
  const auto key = [&](const Row& row) {
    const std::string& field = row.fields[target];
    return numbers ? Key{double(table.checked(row, target, *number(field))), {}} : Key{0, field};
  };
  constexpr auto hint = "hint: .task = Task::regression for measurements, .target for another column";
  std::map<Key, Index> classes;
  for (const Row& row : table.rows) {
    const Key label = key(row);
    if (numbers && label.first != std::floor(label.first))
      failf("csv", "{}: the label {} is no class; {}", table.where(row, target), row.fields[target], hint);
    classes.emplace(label, 0);
  }
  const Index count = Index(classes.size()), n = Index(table.rows.size());
  constexpr Index many = 20, few_rows = 10;
  if (options.max_classes > 0 ? count > options.max_classes : count > many && count * few_rows > n)
    failf("csv",
          "{}: column {} ('{}') has {} different labels in {} rows; these are no classes; {}, .max_classes if they are",
          table.path, target, table.names[target], count, n, hint);
  Index next = 0;
  for (auto& [label, index] : classes) {
    index = next++;
    dataset.class_names.push_back(numbers ? fmt::format("{:.0f}", label.first) : label.second);
  }
  dataset.y = Tensor::make("csv", {n}, int64);
  for (Index i = 0; i < n; ++i) dataset.y.data<std::int64_t>()[i] = classes.at(key(table.rows[std::size_t(i)]));
}

// The numbers of a column, as a tensor of the given shape. `what` and `hint` are for words among them.
Tensor values_of(const Table& table, std::size_t column, const Shape& shape, const char* what, const char* hint) {
  Tensor values = Tensor::make("csv", shape, float32);
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const Row& row = table.rows[i];
    const std::optional<double> value = number(row.fields[column]);
    if (!value)
      failf("csv", "{}: the {} {} is no number; hint: {}", table.where(row, column), what, in_quotes(row.fields[column]), hint);
    values.data<float>()[i] = table.checked(row, column, *value);
  }
  return values;
}

}  // namespace

Dataset csv(const std::string& path, const CsvOptions& options) {
  Table table = read_table(path, options);
  const std::size_t target = find_column(table, options.target, "target");
  std::vector<bool> used(table.names.size(), true);
  used[target] = false;
  for (const Column& column : options.ignore) {
    const std::size_t ignored = find_column(table, column, "columns to ignore");
    if (ignored == target)
      failf("csv", "{}: column {} ('{}') is the target and to be ignored", path, target, table.names[target]);
    used[ignored] = false;
  }
  std::vector<std::size_t> columns;
  for (std::size_t c = 0; c < used.size(); ++c)
    if (used[c]) columns.push_back(c);
  if (columns.empty())
    failf("csv", "{}: no column is left for features, of {} with the target; hint: .delimiter says what separates them",
          path, table.names.size());
  settle_missing(table, options, columns, target);

  Dataset dataset;
  dataset.name = std::filesystem::path(path).stem().string();
  std::vector<Feature> features;
  for (const std::size_t column : columns) {
    features.push_back(describe(table, column, options));
    const Feature& feature = features.back();
    if (feature.words.empty()) dataset.feature_names.push_back(table.names[column]);
    for (const std::string& word : feature.words) dataset.feature_names.push_back(table.names[column] + "=" + word);
  }
  const Index n = Index(table.rows.size()), width = Index(dataset.feature_names.size());
  dataset.x = Tensor::make("csv", {n, width}, float32);
  float* x = dataset.x.data<float>();
  for (const Row& row : table.rows) {
    for (const Feature& feature : features) {
      const std::string& field = row.fields[feature.column];
      const bool missing = table.missing(field);
      if (feature.words.empty()) *x++ = missing ? float(feature.mean) : float(*number(field));
      for (const std::string& word : feature.words) *x++ = !missing && word == field ? 1.0f : 0.0f;
    }
  }
  if (options.task == Task::classification)
    set_classes(dataset, table, target, options);
  else
    dataset.y = values_of(table, target, {Index(table.rows.size()), 1}, "target", ".task = Task::classification for labels");
  return dataset;
}

Tensor csv_column(const std::string& path, const Column& column, const CsvOptions& options) {
  if (options.missing == Missing::mean)
    failf("csv", "{}: a mean in a column that is read by itself; .missing can be error or drop", path);
  Table table = read_table(path, options);
  const std::size_t place = find_column(table, column, "values");
  settle_missing(table, options, {}, place);
  return values_of(table, place, {Index(table.rows.size())}, "value", "another column, by its name or its place");
}

}  // namespace gradus::data
