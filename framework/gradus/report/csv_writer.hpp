#pragma once
// Results row by row, so that a run that is killed keeps what it had.
#include <cstddef>
#include <string>
#include <vector>

#include "gradus/report/table.hpp"

namespace gradus::report {

/// Writes a CSV file (RFC 4180 fields, \n line ends). Each row reaches the file as one write of one whole line, at
/// once.
class CsvWriter {
 public:
  static constexpr std::size_t all_rows = static_cast<std::size_t>(-1);

  /// Starts a new file with this header; an existing one is replaced.
  CsvWriter(const std::string& path, std::vector<std::string> header);
  /// Goes on with an existing file, or starts a new one. The header must be the same, or it throws with both. A last
  /// line that a kill cut short is removed, and so are the rows behind the first `keep`, which a resumed run computes
  /// again.
  static CsvWriter resume(const std::string& path, std::vector<std::string> header, std::size_t keep = all_rows);

  CsvWriter(CsvWriter&& other) noexcept;
  CsvWriter& operator=(CsvWriter&& other) noexcept;
  ~CsvWriter();

  /// Appends one line. Numbers are written in full; a Measured cell fills two fields. Throws when the number of fields
  /// is not the header's, or when the file cannot be written.
  void row(const std::vector<Cell>& cells);

  /// Data rows in the file, those found by resume() included.
  std::size_t rows() const { return rows_; }

 private:
  CsvWriter() = default;
  void append(const std::vector<std::string>& fields);
  std::string path_;
  std::vector<std::string> header_;
  std::size_t rows_ = 0;
  int file_ = -1;
};

}  // namespace gradus::report
