#pragma once
// A size for each of the two axes of an image: {height, width}, or one number for both.
#include "gradus/core/shape.hpp"

namespace gradus::nn {

struct IntPair {
  Index height = 0;
  Index width = 0;

  constexpr IntPair() = default;
  constexpr IntPair(Index both) : height(both), width(both) {}
  constexpr IntPair(Index height_, Index width_) : height(height_), width(width_) {}
  friend constexpr bool operator==(const IntPair&, const IntPair&) = default;
};

}  // namespace gradus::nn
