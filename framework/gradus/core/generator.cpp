#include "gradus/core/generator.hpp"

#include <array>

namespace gradus {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits that spreads neighbouring seeds.
constexpr std::uint64_t mix(std::uint64_t z) {
  z += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// FNV-1a (Fowler, Noll, Vo), 64 bits.
constexpr std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return h;
}

std::array<Generator, 4> streams(std::uint64_t seed) {
  const Generator root(seed);
  return {root.split("general"), root.split("init"), root.split("dropout"), root.split("shuffle")};
}

std::array<Generator, 4>& defaults() {
  static std::array<Generator, 4> generators = streams(0);
  return generators;
}

}  // namespace

Generator Generator::split(std::string_view purpose) const { return Generator(mix(seed_ ^ mix(hash(purpose)))); }
Generator Generator::split(std::uint64_t index) const { return Generator(mix(mix(seed_) + index)); }

void manual_seed(std::uint64_t seed) { defaults() = streams(seed); }
Generator& default_generator(Stream stream) { return defaults()[static_cast<std::size_t>(stream)]; }

}  // namespace gradus
