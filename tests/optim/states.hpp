#pragma once
// States of optimisers that do not fit.
#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include "gradus/tensor/named.hpp"
#include "same_bits.hpp"
#include "thrown.hpp"

/// The state with another tensor under this name.
inline gradus::NamedTensors replaced(gradus::NamedTensors state, const std::string& name, const gradus::Tensor& value) {
  for (auto& [each, old] : state)
    if (each == name) old = value;
  return state;
}

/// The state without this name.
inline gradus::NamedTensors without(gradus::NamedTensors state, const std::string& name) {
  std::erase_if(state, [&](const auto& entry) { return entry.first == name; });
  return state;
}

/// Loading `bad` throws an error with these words, and the optimiser's state, `good`, stays what it was to the bit.
template <class Optimizer>
void check_refused(Optimizer& optimizer, const gradus::NamedTensors& good, const gradus::NamedTensors& bad,
                   std::initializer_list<const char*> words) {
  check_contains(thrown([&] { optimizer.load_state_dict(bad); }), words);
  const gradus::NamedTensors after = optimizer.state_dict();
  REQUIRE(after.size() == good.size());
  for (std::size_t i = 0; i < good.size(); ++i) CHECK(same_bits(after[i].second, good[i].second));
}
