#include "gradus/core/allocator.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "gradus/core/error.hpp"

using namespace gradus;

namespace {

struct Block {
  unsigned char* data;
  std::size_t bytes;
};

Block filled(std::size_t bytes, unsigned char mark) {
  Block block{static_cast<unsigned char*>(memory::allocate(bytes)), bytes};
  std::memset(block.data, mark, bytes);
  return block;
}

bool intact(const Block& block, unsigned char mark) {
  for (std::size_t i = 0; i < block.bytes; ++i)
    if (block.data[i] != mark) return false;
  return true;
}

}  // namespace

TEST_CASE("blocks of every size are aligned, large enough and apart") {
  const std::size_t before = memory::stats().in_use;
  std::vector<Block> blocks;
  std::vector<std::size_t> sizes;
  for (std::size_t bytes = 0; bytes < 1100; bytes += 13) sizes.push_back(bytes);
  for (std::size_t power = 64; power <= (std::size_t{8} << 20); power *= 2)
    for (const std::size_t bytes : {power - 1, power, power + 1, power + power / 4, power + power / 2 + 1})
      sizes.push_back(bytes);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    blocks.push_back(filled(sizes[i], static_cast<unsigned char>(i)));
    CHECK(reinterpret_cast<std::uintptr_t>(blocks.back().data) % 64 == 0);
  }
  std::size_t asked = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    CHECK(intact(blocks[i], static_cast<unsigned char>(i)));
    asked += sizes[i];
  }
  CHECK(memory::stats().in_use >= before + asked);
  // Rounding costs at most a quarter, and a cache line for the smallest.
  CHECK(memory::stats().in_use <= before + asked + asked / 4 + 128 * sizes.size());
  for (const Block& block : blocks) memory::release(block.data, block.bytes);
  CHECK(memory::stats().in_use == before);
}

TEST_CASE("what is given back is handed out again") {
#ifdef GRADUS_SYSTEM_ALLOCATOR
  MESSAGE("skipped: this build gives every block back to the system (GRADUS_SYSTEM_ALLOCATOR)");
  return;
#endif
  for (const std::size_t bytes : {std::size_t{100}, std::size_t{1} << 20}) {
    void* first = memory::allocate(bytes);
    memory::release(first, bytes);
    void* second = memory::allocate(bytes);
#ifndef GRADUS_SYSTEM_ALLOCATOR
    CHECK(second == first);
#endif
    memory::release(second, bytes);
  }
  memory::empty_cache();
  CHECK(memory::stats().cached == 0);
}

TEST_CASE("medium blocks go back to the system when their neighbours do") {
  memory::empty_cache();
  const std::size_t before = memory::stats().in_use, bytes = 300'000;
  std::vector<Block> blocks;
  for (int i = 0; i < 100; ++i) blocks.push_back(filled(bytes, static_cast<unsigned char>(i)));
  for (int i = 0; i < 100; ++i)
    if (i != 50) memory::release(blocks[std::size_t(i)].data, bytes);
  memory::empty_cache();
  CHECK(memory::stats().cached <= std::size_t{9} << 20);  // around the one that is left
  CHECK(intact(blocks[50], 50));
  for (int i = 0; i < 100; ++i)
    if (i != 50) blocks[std::size_t(i)] = filled(bytes, static_cast<unsigned char>(i));
  for (int i = 0; i < 100; ++i) {
    CHECK(intact(blocks[std::size_t(i)], static_cast<unsigned char>(i)));
    memory::release(blocks[std::size_t(i)].data, bytes);
  }
  memory::empty_cache();
  CHECK(memory::stats().cached == 0);
  CHECK(memory::stats().in_use == before);
}

TEST_CASE("a header in front of a power of two costs no more than itself") {
  for (std::size_t power = 64; power <= (std::size_t{8} << 20); power *= 2) {
    const std::size_t before = memory::stats().in_use;
    void* block = memory::allocate(power + 64);
    CHECK(memory::stats().in_use == before + power + 64);
    memory::release(block, power + 64);
  }
}

TEST_CASE("the peak is remembered") {
  memory::reset_peak();
  const std::size_t before = memory::stats().peak_in_use;
  const std::size_t bytes = std::size_t{4} << 20;
  memory::release(memory::allocate(bytes), bytes);
  CHECK(memory::stats().peak_in_use >= before + bytes);
  memory::reset_peak();
  CHECK(memory::stats().peak_in_use < before + bytes);
}

TEST_CASE("a size beyond all memory throws and changes nothing") {
  const std::size_t before = memory::stats().in_use;
  for (const std::size_t bytes : {std::size_t{1} << 50, std::numeric_limits<std::size_t>::max(),
                                  std::numeric_limits<std::size_t>::max() / 2, std::size_t{1} << 63})
    CHECK_THROWS_WITH_AS(memory::allocate(bytes), doctest::Contains("out of memory"), Error);
  CHECK(memory::stats().in_use == before);
}

TEST_CASE("blocks may be given back by another thread, and by one that ends") {
  const std::size_t before = memory::stats().in_use;
  std::vector<Block> blocks;
  for (int i = 0; i < 5000; ++i) blocks.push_back(filled(std::size_t(i % 700), static_cast<unsigned char>(i)));
  bool ok = true;
  std::vector<Block> theirs;
  std::thread([&] {
    for (int i = 0; i < 5000; ++i) {
      ok = ok && intact(blocks[std::size_t(i)], static_cast<unsigned char>(i));
      memory::release(blocks[std::size_t(i)].data, blocks[std::size_t(i)].bytes);
    }
    for (int i = 0; i < 300; ++i) theirs.push_back(filled(90'000, 7));
  }).join();
  CHECK(ok);
  for (const Block& block : theirs) {
    CHECK(intact(block, 7));
    memory::release(block.data, block.bytes);
  }
  CHECK(memory::stats().in_use == before);
}

TEST_CASE("many threads at once") {
  const std::size_t before = memory::stats().in_use;
  std::vector<std::thread> threads;
  std::vector<char> ok(4, 1);
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([t, &ok] {
      std::vector<Block> held;
      for (std::size_t i = 0; i < 4000; ++i) {
        held.push_back(filled((i * 97 + t) % 3000 + (i % 100 == 0 ? 100'000 : 0), static_cast<unsigned char>(t)));
        if (held.size() > 50) {
          const Block block = held[i % 50];
          if (!intact(block, static_cast<unsigned char>(t))) ok[t] = 0;
          memory::release(block.data, block.bytes);
          held[i % 50] = held.back();
          held.pop_back();
        }
      }
      for (const Block& block : held) memory::release(block.data, block.bytes);
    });
  for (std::thread& thread : threads) thread.join();
  for (const char good : ok) CHECK(good == 1);
  CHECK(memory::stats().in_use == before);
}
