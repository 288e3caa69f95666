#pragma once
// The sizes of a tensor's axes, outermost first (row-major). Held inline: no allocation.
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace gradus {

using Index = std::int64_t;

class Shape {
 public:
  static constexpr std::size_t max_axes = 8;

  constexpr Shape() = default;
  Shape(std::initializer_list<Index> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const Index> sizes);
  Shape(const std::vector<Index>& sizes) : Shape(std::span<const Index>(sizes)) {}
  /// `axes` axes, all of size `fill`.
  static Shape of(std::size_t axes, Index fill);

  constexpr std::size_t size() const { return axes_; }
  constexpr bool empty() const { return axes_ == 0; }
  constexpr Index operator[](std::size_t axis) const { return sizes_[axis]; }
  constexpr Index& operator[](std::size_t axis) { return sizes_[axis]; }
  constexpr const Index* begin() const { return sizes_.data(); }
  constexpr const Index* end() const { return sizes_.data() + axes_; }
  constexpr Index* begin() { return sizes_.data(); }
  constexpr Index* end() { return sizes_.data() + axes_; }
  constexpr Index front() const { return sizes_[0]; }
  constexpr Index back() const { return sizes_[axes_ - 1]; }

  void push_back(Index size);
  void insert(std::size_t axis, Index size);
  void erase(std::size_t axis);

  /// The product of all sizes; 1 for a scalar. Sizes that overflow or are negative throw when a tensor is made, not here.
  constexpr Index numel() const { return product(0, axes_); }
  /// The product of the sizes of axes [first, last).
  constexpr Index product(std::size_t first, std::size_t last) const {
    Index n = 1;
    for (std::size_t i = first; i < last; ++i) n *= sizes_[i];
    return n;
  }

  friend constexpr bool operator==(const Shape& a, const Shape& b) {
    if (a.axes_ != b.axes_) return false;
    for (std::size_t i = 0; i < a.axes_; ++i)
      if (a.sizes_[i] != b.sizes_[i]) return false;
    return true;
  }

 private:
  std::array<Index, max_axes> sizes_{};
  std::size_t axes_ = 0;
};

/// "(2, 3)"; a scalar is "()", a vector "(5)".
std::string to_string(const Shape& shape);

/// The axis counted from the front; negative ones count from the back. Throws, naming `operation`, when there is no such axis.
std::size_t normalize_axis(const char* operation, Index axis, const Shape& shape);

/// The shape that `a` and `b` broadcast to (NumPy's rule). Throws, naming `operation`, when they do not.
Shape broadcast_shapes(const char* operation, const Shape& a, const Shape& b);

/// True when a tensor of shape `from` may be expanded to `to`.
bool broadcasts_to(const Shape& from, const Shape& to);

}  // namespace gradus
