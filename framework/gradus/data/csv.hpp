#pragma once
// Tables in text files: fields separated by commas, semicolons, tabs or blanks, quoted as in RFC 4180; plain or
// compressed by gzip.
#include <string>
#include <variant>
#include <vector>

#include "gradus/data/dataset.hpp"

namespace gradus::data {

/// A column by its place, from 0, negative ones from the back; or by its name in the header.
using Column = std::variant<Index, std::string>;

enum class Task { classification, regression };
/// `automatic`: the first row is a header if it has no number and the second row has one. So a first row of words is
/// lost where it is data, and one of numbers, e.g. years, is taken for data where it is a header: say which in such
/// cases.
enum class Header { automatic, present, absent };
/// What becomes of a row with an empty field, or another mark of `missing_marks`. `mean` fills in the mean of the
/// column over all rows that have it (also those that end up in a test part); a missing target is never filled in, its
/// row is dropped.
enum class Missing { error, drop, mean };

struct CsvOptions {
  Column target = Index{-1};
  Task task = Task::classification;
  std::vector<Column> ignore = {};  ///< columns that are neither feature nor target, e.g. a number of the row
  char delimiter = 0;  ///< ',' ';' '\t', ' ' for any run of blanks and tabs, or another; 0: found from the first lines
  Header header = Header::automatic;
  Missing missing = Missing::error;
  std::vector<std::string> missing_marks = {"", "?", "NA", "NaN", "nan"};
  bool categorical = false;  ///< columns with words become one column of 0 and 1 per word, sorted; else they throw
  /// More classes than this throw. 0: more than 20 do when they have fewer than 10 rows each, as measurements would.
  Index max_classes = 0;
};

/// x (n, features) float32. Classification: y (n) int64; class_names are the labels, in order of their numbers if all
/// are numbers, else of the alphabet. Regression: y (n, 1) float32. feature_names come from the header, else "column
/// 0", ... Throws Error with the path and, where there is one, the line: rows of unequal length, open quotes, words
/// among numbers, numbers that float32 cannot hold, missing values unless told otherwise, a target that is no class (or
/// no number), no rows.
Dataset csv(const std::string& path, const CsvOptions& options = {});

/// The numbers of one column, from the first row to the last: (n) float32, a time series for example. Of the options
/// those about the file count, and `missing`, where `mean` is refused: what would be filled into a series is the
/// caller's to say. Throws as csv() does.
Tensor csv_column(const std::string& path, const Column& column, const CsvOptions& options = {});

}  // namespace gradus::data
