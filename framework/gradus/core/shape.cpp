#include "gradus/core/shape.hpp"

#include <algorithm>

#include "gradus/core/format.hpp"

namespace gradus {

Shape::Shape(std::span<const Index> sizes) : axes_(sizes.size()) {
  if (sizes.size() > max_axes) failf("shape", "{} axes, but a tensor has at most {}", sizes.size(), max_axes);
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

Shape Shape::of(std::size_t axes, Index fill) {
  if (axes > max_axes) failf("shape", "{} axes, but a tensor has at most {}", axes, max_axes);
  Shape shape;
  shape.axes_ = axes;
  std::fill(shape.begin(), shape.end(), fill);
  return shape;
}

void Shape::push_back(Index size) { insert(axes_, size); }

void Shape::insert(std::size_t axis, Index size) {
  if (axes_ == max_axes) failf("shape", "{} axes, but a tensor has at most {}", axes_ + 1, max_axes);
  std::copy_backward(begin() + axis, end(), end() + 1);
  sizes_[axis] = size;
  ++axes_;
}

void Shape::erase(std::size_t axis) {
  std::copy(begin() + axis + 1, end(), begin() + axis);
  --axes_;
  sizes_[axes_] = 0;
}

std::string to_string(const Shape& shape) { return fmt::format("({})", fmt::join(shape.begin(), shape.end(), ", ")); }

std::size_t normalize_axis(const char* operation, Index axis, const Shape& shape) {
  const auto axes = static_cast<Index>(shape.size());
  if (axis < -axes || axis >= axes)
    failf(operation, "there is no axis {} in a tensor of shape {}; its axes are {}", axis, shape,
          axes == 0 ? std::string("none") : fmt::format("0 to {}, or {} to -1 from the back", axes - 1, -axes));
  return static_cast<std::size_t>(axis < 0 ? axis + axes : axis);
}

Shape broadcast_shapes(const char* operation, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const std::size_t axes = std::max(a.size(), b.size());
  Shape result = Shape::of(axes, 1);
  for (std::size_t i = 1; i <= axes; ++i) {
    const Index left = i <= a.size() ? a[a.size() - i] : 1;
    const Index right = i <= b.size() ? b[b.size() - i] : 1;
    if (left != right && left != 1 && right != 1)
      failf(operation,
            "shapes {} and {} do not broadcast: sizes {} and {} at axis {} from the back are neither equal nor 1", a, b,
            left, right, i);
    result[axes - i] = left == 1 ? right : left;
  }
  return result;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return false;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    const Index size = from[from.size() - i];
    if (size != to[to.size() - i] && size != 1) return false;
  }
  return true;
}

}  // namespace gradus
