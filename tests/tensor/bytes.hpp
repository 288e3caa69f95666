#pragma once
// Bytes on the disk.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "folder.hpp"
#include "thrown.hpp"

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
