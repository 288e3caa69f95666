#pragma once
// Philox4x32-10, a counter-based generator (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
// four 32-bit words as a function of a 64-bit key and a 128-bit counter, with no state to carry along.
#include <array>
#include <cstdint>

namespace gradus {

/// The 128-bit counter is split into a block number and a draw number: 2^64 draws of 2^66 words each.
constexpr std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t draw, std::uint64_t block) {
  constexpr std::uint32_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;  // section 4.3 of the paper
  constexpr std::uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;              // golden ratio, sqrt(3) - 1
  std::array<std::uint32_t, 4> c{std::uint32_t(block), std::uint32_t(block >> 32), std::uint32_t(draw),
                                 std::uint32_t(draw >> 32)};
  std::uint32_t k0 = std::uint32_t(key), k1 = std::uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{multiplier0} * c[0], p1 = std::uint64_t{multiplier1} * c[2];
    c = {std::uint32_t(p1 >> 32) ^ c[1] ^ k0, std::uint32_t(p1), std::uint32_t(p0 >> 32) ^ c[3] ^ k1, std::uint32_t(p0)};
    k0 += weyl0;
    k1 += weyl1;
  }
  return c;
}

}  // namespace gradus
