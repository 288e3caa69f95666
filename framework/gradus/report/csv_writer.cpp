#include "gradus/report/csv_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "gradus/core/format.hpp"
#include "gradus/report/files.hpp"

namespace gradus::report {

// Delegates, so that the destructor closes the file when writing the header throws.
CsvWriter::CsvWriter(const std::string& path, std::vector<std::string> header) : CsvWriter() {
  path_ = path;
  header_ = std::move(header);
  if (header_.empty()) failf("CsvWriter", "the header of \"{}\" has no columns", path);
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
  if (file_ < 0) {
    const int error = errno;
    failf("CsvWriter", "cannot write \"{}\": {}{}", path, std::generic_category().message(error),
          error == ENOENT ? "; hint: does its folder exist?" : "");
  }
  append(header_);
}

CsvWriter CsvWriter::resume(const std::string& path, std::vector<std::string> header, std::size_t keep) {
  std::error_code error;
  if (std::filesystem::file_size(path, error) == 0 || error) return CsvWriter(path, std::move(header));
  const std::string text = read_file(path);
  std::size_t complete = 0;
  std::vector<std::size_t> ends;
  const auto records = parse_csv(text, &complete, &ends);
  if (records.empty()) return CsvWriter(path, std::move(header));  // killed within the header: there was no row yet
  if (records.front() != header)
    failf("CsvWriter::resume",
          "\"{}\" has other columns.\n  in the file  {}\n  expected     {}\n  hint         another run's "
          "file? choose a new folder",
          path, fmt::join(records.front(), ","), fmt::join(header, ","));
  for (std::size_t i = 1; i < records.size(); ++i)
    if (records[i].size() != header.size())
      failf("CsvWriter::resume", "record {} of \"{}\" has {} fields, the header has {}", i, path, records[i].size(),
            header.size());
  const std::size_t rows = std::min(records.size() - 1, keep);
  CsvWriter writer;
  writer.path_ = path;
  writer.header_ = std::move(header);
  writer.rows_ = rows;
  writer.file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (writer.file_ < 0 || (ends[rows] != text.size() && ::ftruncate(writer.file_, static_cast<off_t>(ends[rows])) != 0))
    failf("CsvWriter::resume", "cannot write \"{}\": {}", path, std::generic_category().message(errno));
  return writer;
}

CsvWriter::CsvWriter(CsvWriter&& other) noexcept
    : path_(std::move(other.path_)),
      header_(std::move(other.header_)),
      rows_(other.rows_),
      file_(std::exchange(other.file_, -1)) {}

CsvWriter& CsvWriter::operator=(CsvWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(header_, other.header_);
  std::swap(rows_, other.rows_);
  std::swap(file_, other.file_);
  return *this;
}

CsvWriter::~CsvWriter() {
  if (file_ >= 0) ::close(file_);
}

void CsvWriter::row(const std::vector<Cell>& cells) {
  const std::vector<std::string> fields = csv_fields(cells);
  if (fields.size() != header_.size())
    failf("CsvWriter::row", "got {} fields, but \"{}\" has {} columns: {}", fields.size(), path_, header_.size(),
          fmt::join(header_, ","));
  append(fields);
  ++rows_;
}

void CsvWriter::append(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) line += (i > 0 ? "," : "") + escape_csv(fields[i]);
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t written = ::write(file_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) failf("CsvWriter", "cannot write \"{}\": {}", path_, std::generic_category().message(errno));
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace gradus::report
