#include "gradus/data/text.hpp"

#include <algorithm>
#include <set>

#include "gradus/core/format.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::data {
namespace {

// The number of bytes of the first character of `text`, which is not empty. RFC 3629, without its rules against overlong
// forms and surrogates: such bytes come back as they were, too.
std::size_t first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 1;
  if (text.size() < size) return 1;
  const bool whole = std::all_of(text.begin() + 1, text.begin() + std::ptrdiff_t(size),
                                 [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; });
  return whole ? size : 1;
}

template <class Action>
void for_each_character(std::string_view text, Action&& action) {
  while (!text.empty()) {
    const std::size_t size = first_character(text);
    action(std::string(text.substr(0, size)));
    text.remove_prefix(size);
  }
}

void check_tokens(const char* operation, const Tensor& tokens) {
  if (tokens.dtype() != int64 || tokens.dim() != 1)
    failf(operation, "the tokens are {} {}; they must be (n) int64", tokens.dtype(), tokens.shape());
}

void check_windows(const char* operation, const Tensor& tokens, Index length) {
  check_tokens(operation, tokens);
  if (length < 1) failf(operation, "windows of {} tokens; at least 1 is needed", length);
  if (tokens.numel() <= length)
    failf(operation, "a text of {} tokens has no window of {} tokens and the one that follows", tokens.numel(), length);
}

Dataset windows(const char* operation, const Tensor& tokens, const std::vector<std::int64_t>& starts, Index length) {
  Dataset dataset;
  dataset.name = operation;
  dataset.x = Tensor::make(operation, {Index(starts.size()), length}, int64);
  dataset.y = Tensor::make(operation, {Index(starts.size()), length}, int64);
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::int64_t* from = tokens.data<std::int64_t>() + starts[i];
    std::copy_n(from, length, dataset.x.data<std::int64_t>() + Index(i) * length);
    std::copy_n(from + 1, length, dataset.y.data<std::int64_t>() + Index(i) * length);
  }
  return dataset;
}

}  // namespace

Vocabulary::Vocabulary(std::string_view text) {
  if (text.empty()) fail("Vocabulary", "the text is empty; there are no characters to number");
  std::set<std::string> seen;
  for_each_character(text, [&](std::string character) { seen.insert(std::move(character)); });
  characters_.assign(seen.begin(), seen.end());
  for (std::size_t i = 0; i < characters_.size(); ++i) numbers_.emplace(characters_[i], std::int64_t(i));
}

Tensor Vocabulary::encode(std::string_view text) const {
  std::vector<std::int64_t> tokens;
  tokens.reserve(text.size());
  for_each_character(text, [&](const std::string& character) {
    const auto found = numbers_.find(character);
    if (found == numbers_.end())
      failf("Vocabulary::encode", "character {} of the text, \"{}\", is not among the {} of the vocabulary", tokens.size(), character,
            size());
    tokens.push_back(found->second);
  });
  return from_vector(tokens);
}

std::string Vocabulary::decode(const Tensor& tokens) const {
  check_tokens("Vocabulary::decode", tokens);
  std::string text;
  for (const std::int64_t token : to_vector<std::int64_t>(tokens)) {
    if (token < 0 || token >= size()) failf("Vocabulary::decode", "token {} is not in [0, {})", token, size());
    text += character(token);
  }
  return text;
}

Dataset random_windows(const Tensor& tokens, Index count, Index length, Generator& generator) {
  check_windows("random_windows", tokens, length);
  if (count < 0) failf("random_windows", "{} windows were asked for", count);
  const Tensor starts = randint(0, tokens.numel() - length, {count}, {.generator = &generator});
  return windows("random_windows", tokens, to_vector<std::int64_t>(starts), length);
}

Dataset consecutive_windows(const Tensor& tokens, Index length) {
  check_windows("consecutive_windows", tokens, length);
  std::vector<std::int64_t> starts;
  for (Index start = 0; start + length < tokens.numel(); start += length) starts.push_back(start);
  return windows("consecutive_windows", tokens, starts, length);
}

}  // namespace gradus::data
