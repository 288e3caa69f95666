#pragma once
// A folder for one test, removed at its end, and bytes on the disk.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gradus/core/error.hpp"

class Folder {
 public:
  Folder() : path_((std::filesystem::temp_directory_path() / "gradus_tensor_XXXXXX").string()) {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  std::ptrdiff_t entries() const {
    return std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator());
  }

 private:
  std::string path_;
};

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  REQUIRE(file.good());
}

/// Writes over the start of a file: much cheaper than a new one.
inline void patch_bytes(const std::string& path, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file << bytes;
  REQUIRE(file.good());
}

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The text of the Error that `action` throws.
template <class Action>
std::string error_text(Action action) {
  try {
    action();
  } catch (const gradus::Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

inline void check_contains(const std::string& text, std::initializer_list<const char*> words) {
  for (const std::string word : words) {
    CAPTURE(text);
    CAPTURE(word);
    CHECK(text.find(word) != std::string::npos);
  }
}
