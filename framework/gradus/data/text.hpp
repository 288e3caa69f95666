#pragma once
// Text as numbers, one for each character, and windows of it for models that predict the next one.
//
//   const data::Vocabulary vocabulary{text};
//   const Tensor tokens = vocabulary.encode(text);
//   const auto [x, y] = data::random_windows(tokens, 16, 128, generator);
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gradus/core/generator.hpp"
#include "gradus/data/dataset.hpp"

namespace gradus::data {

/// The characters that a text is made of, numbered in the order of their bytes. A character is one of UTF-8; a byte that
/// belongs to none is a character by itself, so that every file can be read.
class Vocabulary {
 public:
  /// Those that occur in `text`. Throws for a text without any.
  explicit Vocabulary(std::string_view text);

  Index size() const { return Index(characters_.size()); }
  /// Character `number`, as its bytes.
  const std::string& character(Index number) const { return characters_.at(std::size_t(number)); }

  /// (n) int64, one number for each character. Throws for a character that is not in the vocabulary.
  Tensor encode(std::string_view text) const;
  /// The reverse. Throws unless tokens is (n) int64 of numbers in [0, size()).
  std::string decode(const Tensor& tokens) const;

 private:
  std::vector<std::string> characters_;
  std::unordered_map<std::string, std::int64_t> numbers_;
};

/// `count` windows from uniformly random places: x (count, length) int64 tokens, y (count, length) the token that follows
/// each of them. tokens: (n) int64. Throws unless n > length >= 1 and count >= 0.
Dataset random_windows(const Tensor& tokens, Index count, Index length, Generator& generator);

/// The same for all windows that follow one another without overlap from the front; what is left at the end and fills no
/// window is left out. Every token in them but the first is predicted once.
Dataset consecutive_windows(const Tensor& tokens, Index length);

}  // namespace gradus::data
