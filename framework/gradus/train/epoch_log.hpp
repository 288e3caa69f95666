#pragma once
// For source files only: the logs of fit(), one line for each epoch.
#include <string>
#include <vector>

#include "gradus/train/fit.hpp"

namespace gradus::train::detail {

/// A log file that is there, line by line, when a run is killed. Each line is one write at the end of the file.
class EpochLog {
 public:
  enum class Format { csv, jsonl };
  /// Begins with the epochs that a resumed run already has. They replace what is in the file, in one step: lines of
  /// epochs that will be run again, a line that a kill cut short, an earlier run.
  EpochLog(const std::string& path, Format format, const std::vector<EpochRecord>& done);
  EpochLog(EpochLog&& other) noexcept;
  EpochLog& operator=(EpochLog&&) = delete;
  ~EpochLog();

  void add(const EpochRecord& record);

 private:
  std::string path_;
  Format format_;
  int file_ = -1;
};

}  // namespace gradus::train::detail
