#pragma once
// Walking several arrays that broadcast to one shape: axes that all operands walk alike are merged, the last axis becomes the
// inner loop, in which an operand either advances or stands still.
#include <array>

#include "gradus/core/parallel.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// The smallest number of simple element operations worth a second thread.
inline constexpr Index elementwise_grain = 32768;

template <std::size_t Operands> class BroadcastPlan {
 public:
  BroadcastPlan(const Shape& shape, const std::array<const Shape*, Operands>& operands) {
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      const Index size = shape[axis];
      if (size == 1) continue;
      std::array<Index, Operands> steps{};
      for (std::size_t k = 0; k < Operands; ++k) {
        const Shape& s = *operands[k];
        const std::size_t missing = shape.size() - s.size();
        const bool repeats = axis < missing || s[axis - missing] == 1;
        steps[k] = repeats ? 0 : s.product(axis - missing + 1, s.size());
      }
      // Axes are collected from the innermost outwards. An axis joins the one inside it when, for every operand, one step of it is
      // as long as the whole inner axis (or both stand still).
      if (axes_ > 0) {
        bool joins = true;
        for (std::size_t k = 0; k < Operands; ++k)
          joins = joins && steps[k] == strides_[axes_ - 1][k] * sizes_[axes_ - 1];
        if (joins) {
          sizes_[axes_ - 1] *= size;
          continue;
        }
      }
      sizes_[axes_] = size;
      strides_[axes_] = steps;
      ++axes_;
    }
    if (axes_ == 0) {
      sizes_[0] = 1;
      axes_ = 1;
    }
  }

  Index inner() const { return sizes_[0]; }
  bool advances(std::size_t operand) const { return strides_[0][operand] != 0; }
  Index outer() const {
    Index n = 1;
    for (std::size_t i = 1; i < axes_; ++i) n *= sizes_[i];
    return n;
  }

  /// Calls row(offsets, position) for every inner row; `position` is the row's place in the output. In parallel.
  template <class Row> void for_each_row(Row&& row) const {
    const Index length = inner();
    parallel_for(outer(), std::max<Index>(1, elementwise_grain / std::max<Index>(length, 1)), [&](Index first, Index last) {
      std::array<Index, Shape::max_axes> place{};
      std::array<Index, Operands> offsets{};
      Index rest = first;
      for (std::size_t i = 1; i < axes_; ++i) {
        place[i] = rest % sizes_[i];
        rest /= sizes_[i];
        for (std::size_t k = 0; k < Operands; ++k) offsets[k] += place[i] * strides_[i][k];
      }
      for (Index r = first; r < last; ++r) {
        row(offsets, r * length);
        for (std::size_t i = 1; i < axes_; ++i) {
          for (std::size_t k = 0; k < Operands; ++k) offsets[k] += strides_[i][k];
          if (++place[i] < sizes_[i]) break;
          place[i] = 0;
          for (std::size_t k = 0; k < Operands; ++k) offsets[k] -= strides_[i][k] * sizes_[i];
        }
      }
    });
  }

 private:
  std::array<Index, Shape::max_axes> sizes_{};
  std::array<std::array<Index, Operands>, Shape::max_axes> strides_{};
  std::size_t axes_ = 0;
};

}  // namespace gradus::kernels
