#pragma once
// For source files only.
#include "gradus/core/shape.hpp"

namespace gradus {

/// An axis as the middle of (outer, n, inner).
struct Middle {
  Index outer, n, inner;
  Middle(const Shape& shape, std::size_t axis)
      : outer(shape.product(0, axis)), n(shape[axis]), inner(shape.product(axis + 1, shape.size())) {}
};

}  // namespace gradus
