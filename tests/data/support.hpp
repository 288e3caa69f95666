#pragma once
// A folder for one test, files in it, and where the real data sets are.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "data/deflate.hpp"
#include "folder.hpp"
#include "gradus/core/error.hpp"

inline std::string gzip(const std::string& bytes) { return compressed(bytes, 15 + 16); }

inline std::string big_endian(std::uint32_t value) {
  return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}

// The text of the Error that `action` throws; "" when it throws none.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const gradus::Error& error) {
    return error.what();
  }
  return "";
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The path of a real data set, or "" after saying that the test is skipped.
inline std::string real_data(const std::string& name) {
  const char* folder = std::getenv("GRADUS_DATASETS");
  const std::filesystem::path path = std::filesystem::path(folder != nullptr ? folder : GRADUS_TEST_DATASETS) / name;
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return path.lexically_normal().string();
  MESSAGE("skipped: there is no " << path.lexically_normal().string()
                                  << "; GRADUS_DATASETS names the folder of the real data sets");
  return "";
}
