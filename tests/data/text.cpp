#include "gradus/data/text.hpp"

#include <doctest/doctest.h>

#include <set>

#include "gradus/tensor/factories.hpp"
#include "support.hpp"

using namespace gradus;
using data::Vocabulary;

namespace {

using Tokens = std::vector<std::int64_t>;

Tokens numbers(const Tensor& tokens) { return to_vector<std::int64_t>(tokens); }

}  // namespace

TEST_CASE("a vocabulary numbers the characters that occur, in their order") {
  const Vocabulary vocabulary("banana\n");
  CHECK(vocabulary.size() == 4);
  CHECK(vocabulary.character(0) == "\n");
  CHECK(numbers(vocabulary.encode("nab\n")) == Tokens{3, 1, 2, 0});
  CHECK(vocabulary.decode(vocabulary.encode("nabab")) == "nabab");
  CHECK(vocabulary.encode("").shape() == Shape{0});
  CHECK(vocabulary.decode(vocabulary.encode("")).empty());
  CHECK(has(error_of([&] { (void)vocabulary.encode("bank"); }), "character 3 of the text, \"k\""));
  CHECK(has(error_of([&] { (void)vocabulary.decode(tensor({0, 4}).to(int64)); }), "token 4 is not in [0, 4)"));
  CHECK(has(error_of([&] { (void)vocabulary.decode(tensor({0, -1}).to(int64)); }), "token -1"));
  CHECK(has(error_of([&] { (void)vocabulary.decode(tensor({0, 1})); }), "int64"));
  CHECK(has(error_of([] { (void)Vocabulary(""); }), "empty"));
}

TEST_CASE("a character of UTF-8 is one, a byte of none is one by itself") {
  const std::string text = "na\xC3\xAFve \xE2\x82\xAC \xF0\x9F\x98\x80";  // ï, the sign of the euro, a face
  const Vocabulary vocabulary(text);
  CHECK(vocabulary.size() == 8);
  CHECK(vocabulary.encode(text).numel() == 9);
  CHECK(vocabulary.character(7) == "\xF0\x9F\x98\x80");
  CHECK(vocabulary.decode(vocabulary.encode(text)) == text);

  // A tail without a head, a head without a tail in the middle and at the end, bytes that never occur in UTF-8.
  for (const std::string broken : {"\x80z", "\xC3z", "z\xE2\x82", "\xF0\x9F\x98z", "\xFFz\xFE\xC0\xAF"}) {
    const Vocabulary bytes(broken);
    CHECK(bytes.encode(broken).numel() == Index(broken.size()));
    CHECK(bytes.decode(bytes.encode(broken)) == broken);
  }
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += char(byte);
  CHECK(Vocabulary(all).decode(Vocabulary(all).encode(all)) == all);
}

TEST_CASE("random windows: each followed by its next token, places uniform, seeded") {
  const Tensor tokens = arange(10);
  Generator generator(3);
  const data::Dataset set = data::random_windows(tokens, 7000, 3, generator);
  REQUIRE(set.x.shape() == Shape{7000, 3});
  REQUIRE(set.y.shape() == Shape{7000, 3});
  std::vector<int> count(7, 0);
  const Tokens x = numbers(set.x), y = numbers(set.y);
  for (std::size_t i = 0; i < 7000; ++i) {
    REQUIRE((x[3 * i] >= 0 && x[3 * i] <= 6));
    ++count[std::size_t(x[3 * i])];
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(x[3 * i + j] == x[3 * i] + std::int64_t(j));
      CHECK(y[3 * i + j] == x[3 * i + j] + 1);
    }
  }
  // All seven places that have a following token, each 1000 times; five deviations of a binomial count.
  for (const int c : count) CHECK(std::abs(c - 1000) < 150);
  Generator same(3), other(4);
  CHECK(numbers(data::random_windows(tokens, 7000, 3, same).x) == x);
  CHECK(numbers(data::random_windows(tokens, 7000, 3, other).x) != x);
  CHECK(numbers(data::random_windows(tokens, 7000, 3, same).x) != x);
  CHECK(data::random_windows(tokens, 0, 3, same).x.shape() == Shape{0, 3});
  CHECK(numbers(data::random_windows(tokens, 1, 9, same).y) == Tokens{1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("consecutive windows predict every token but the first once") {
  for (const auto& [n, windows] : {std::pair<Index, Index>{4, 1}, {5, 1}, {6, 1}, {7, 2}, {10, 3}, {11, 3}}) {
    CAPTURE(n);
    const data::Dataset set = data::consecutive_windows(arange(n), 3);
    REQUIRE(set.x.shape() == Shape{windows, 3});
    const Tokens x = numbers(set.x), y = numbers(set.y);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(x[i] == std::int64_t(i));
      CHECK(y[i] == std::int64_t(i) + 1);
    }
  }
}

TEST_CASE("windows: errors") {
  Generator generator;
  for (const Index length : {3, 4})
    CHECK(has(error_of([&] { (void)data::consecutive_windows(arange(3), length); }), "a text of 3 tokens"));
  CHECK(has(error_of([] { (void)data::consecutive_windows(arange(3), 0); }), "windows of 0 tokens"));
  CHECK(has(error_of([] { (void)data::consecutive_windows(zeros({9}), 2); }), "int64"));
  CHECK(has(error_of([] { (void)data::consecutive_windows(arange(4).reshape({2, 2}), 1); }), "(2, 2)"));
  CHECK(has(error_of([&] { (void)data::random_windows(arange(3), 2, 3, generator); }), "random_windows"));
  CHECK(has(error_of([&] { (void)data::random_windows(arange(3), -2, 1, generator); }), "-2 windows"));
}
