#pragma once
// A folder for one test, removed at its end.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <iterator>
#include <string>

class Folder {
 public:
  Folder() : path_((std::filesystem::temp_directory_path() / "gradus_report_XXXXXX").string()) {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::ptrdiff_t entries() const {
    return std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator());
  }

 private:
  std::string path_;
};
