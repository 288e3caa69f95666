#include "gradus/core/generator.hpp"

#include <doctest/doctest.h>

#include <array>
#include <set>

#include "gradus/core/philox.hpp"

using namespace gradus;

namespace {

using Words = std::array<std::uint32_t, 4>;

// philox with the counter and the key as words, in the order of the Random123 distribution.
Words philox4x32(const Words& counter, std::uint32_t key0, std::uint32_t key1) {
  const auto pair = [](std::uint32_t low, std::uint32_t high) { return (std::uint64_t{high} << 32) | low; };
  return philox(pair(key0, key1), pair(counter[2], counter[3]), pair(counter[0], counter[1]));
}

}  // namespace

TEST_CASE("Philox gives the known answers of the Random123 distribution") {
  // kat_vectors, philox4x32 with 10 rounds
  CHECK(philox4x32({0, 0, 0, 0}, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffff, 0xffffffff) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a generator counts its draws, and its state restores it") {
  Generator a(7);
  CHECK(a.seed() == 7);
  CHECK(a.next().number == 0);
  CHECK(a.next().number == 1);
  Generator copy = a;
  CHECK(copy.next().number == 2);
  CHECK(a.next().number == 2);
  const Generator::State state = a.state();
  Generator b;
  b.set_state(state);
  CHECK(b.next().number == 3);
  CHECK(b.seed() == 7);
}

TEST_CASE("split streams have seeds of their own, whatever was drawn before") {
  Generator a(1);
  const std::uint64_t init = a.split("init").seed();
  a.next();
  CHECK(a.split("init").seed() == init);
  CHECK(a.split("init").state().draws == 0);
  std::set<std::uint64_t> seeds;
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    const Generator root(seed);
    seeds.insert(root.seed());
    for (const char* purpose : {"", "a", "b", "init", "dropout", "shuffle", "general"})
      seeds.insert(root.split(purpose).seed());
    for (std::uint64_t i = 0; i < 1000; ++i) seeds.insert(root.split(i).seed());
    for (std::uint64_t i = 0; i < 10; ++i) seeds.insert(root.split("a").split(i).seed());
  }
  CHECK(seeds.size() == 4 * (1 + 7 + 1000 + 10));
}

TEST_CASE("the default streams are apart, and start again with manual_seed") {
  manual_seed(5);
  std::set<std::uint64_t> seeds;
  for (const Stream stream : {Stream::general, Stream::init, Stream::dropout, Stream::shuffle}) {
    default_generator(stream).next();
    CHECK(default_generator(stream).state().draws == 1);
    seeds.insert(default_generator(stream).seed());
  }
  CHECK(seeds.size() == 4);
  default_generator(Stream::init).next();
  CHECK(default_generator(Stream::general).state().draws == 1);
  manual_seed(5);
  CHECK(default_generator().state().draws == 0);
  CHECK(seeds.contains(default_generator().seed()));
  manual_seed(6);
  CHECK(!seeds.contains(default_generator().seed()));
}
