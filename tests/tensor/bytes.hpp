#pragma once
// Bytes on the disk.
#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "folder.hpp"
#include "gradus/core/error.hpp"
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

/// Cuts the file shorter and shorter: read(path) must throw an Error that names it, at every length. The file is whole
/// again afterwards.
template <class Read>
void check_cut_off(const std::string& path, Read&& read) {
  const std::string whole = read_bytes(path), name = std::filesystem::path(path).filename().string();
  for (std::size_t length = whole.size(); length-- > 0;) {
    CAPTURE(length);
    std::filesystem::resize_file(path, length);
    CHECK(thrown([&] { read(path); }).find(name) != std::string::npos);
  }
  write_bytes(path, whole);
}

/// Flips one to three bits of the file, 3000 times: read(path) must take it or throw an Error that names the file. Both
/// must occur.
template <class Read>
void check_flipped_bits(const std::string& path, Read&& read) {
  const std::string whole = read_bytes(path), name = std::filesystem::path(path).filename().string();
  std::mt19937_64 random(1);
  int refused = 0, taken = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = whole;
    for (std::uint64_t flips = 1 + random() % 3; flips > 0; --flips)
      bytes[random() % bytes.size()] ^= static_cast<char>(1u << (random() % 8));
    patch_bytes(path, bytes);
    try {
      read(path);
      ++taken;
    } catch (const gradus::Error& error) {
      ++refused;
      CHECK(std::string(error.what()).find(name) != std::string::npos);
    }
  }
  CHECK(refused > 1000);
  CHECK(taken > 10);
}
