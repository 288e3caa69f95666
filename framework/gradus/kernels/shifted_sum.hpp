#pragma once
// For source files only: a convolution and its transpose as one and the same sum, over taps and channels, of shifted
// inputs. Of the outputs along an axis of the transpose, those at the distance of the stride from each other see the
// same taps: they are a phase, and each phase is a convolution of stride 1. The convolution itself has one phase.
#include <algorithm>
#include <utility>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/channel_blocks.hpp"
#include "gradus/kernels/conv.hpp"

namespace gradus::kernels {

/// Output m of a phase lies at first + m step and reads, for each tap, the input at m stride + offset.
struct Tap {
  Index place, offset;  // in the kernel; in the input
};
struct Phase {
  Index first, step, count;
  std::vector<Tap> taps;
};

struct Axis {
  Index stride;  // of the reading
  std::vector<Phase> phases;
  Index least = 0, most = 0;  // offsets

  static Axis forward(Index kernel, Index dilation, Index padding, Index stride, Index out) {
    Axis axis{stride, {{0, 1, out, {}}}};
    for (Index p = 0; p < kernel; ++p) axis.phases[0].taps.push_back({p, p * dilation - padding});
    return axis.bounded();
  }
  // Output i of the convolution reads input i stride - padding + p dilation; this is the reverse.
  static Axis transposed(Index kernel, Index dilation, Index padding, Index stride, Index size) {
    Axis axis{1, {}};
    for (Index r = 0; r < std::min(stride, size); ++r) {
      Phase phase{r, stride, divide_up(size - r, stride), {}};
      for (Index p = 0; p < kernel; ++p) {
        const Index distance = r + padding - p * dilation;
        if (distance % stride == 0) phase.taps.push_back({p, distance / stride});
      }
      axis.phases.push_back(std::move(phase));
    }
    return axis.bounded();
  }

  Index count() const { return phases.front().count; }  // of the longest phase
  Index step() const { return phases.front().step; }
  // Inputs read for outputs [0, n) of a phase, from `least` on.
  Index reach(Index n) const { return (n - 1) * stride + most - least + 1; }
  // Whether anybody reads input `i`, counted from `least`.
  bool reads(Index i) const {
    for (const Phase& phase : phases)
      for (const Tap& tap : phase.taps)
        if (i >= tap.offset - least && (i - tap.offset + least) % stride == 0) return true;
    return false;
  }

 private:
  Axis bounded() {
    bool any = false;
    for (const Phase& phase : phases)
      for (const Tap& tap : phase.taps) {
        least = any ? std::min(least, tap.offset) : tap.offset;
        most = any ? std::max(most, tap.offset) : tap.offset;
        any = true;
      }
    return std::move(*this);
  }
};

/// What is read: images (batch, channels, height, width), with zeros around them.
template <class T>
struct Source {
  const T* data;
  Index channels, height, width;
  Axis rows, columns;
};

/// Weights as (results, terms, kernel) of any strides: the sum over terms and taps gives the results.
template <class T>
struct TapWeights {
  const T* data;
  Index results, terms, result_stride, term_stride, kernel_w;
};

template <class T>
Source<T> forward_source(const Conv2d& s, const T* x) {
  return {x,
          s.channels,
          s.height,
          s.width,
          Axis::forward(s.kernel_h, s.dilation_h, s.padding_h, s.stride_h, s.out_h),
          Axis::forward(s.kernel_w, s.dilation_w, s.padding_w, s.stride_w, s.out_w)};
}

template <class T>
Source<T> transposed_source(const Conv2d& s, const T* g) {
  return {g,
          s.filters,
          s.out_h,
          s.out_w,
          Axis::transposed(s.kernel_h, s.dilation_h, s.padding_h, s.stride_h, s.height),
          Axis::transposed(s.kernel_w, s.dilation_w, s.padding_w, s.stride_w, s.width)};
}

template <class T>
TapWeights<T> forward_weights(const Conv2d& s, const T* w) {
  return {w, s.filters, s.channels, s.window(), s.kernel_h * s.kernel_w, s.kernel_w};
}
template <class T>
TapWeights<T> transposed_weights(const Conv2d& s, const T* w) {
  return {w, s.channels, s.filters, s.kernel_h * s.kernel_w, s.window(), s.kernel_w};
}

/// How the outputs of all images are cut into bands of rows, so that what belongs to a band stays in the cache.
struct Bands {
  Index rows, count;
  Bands(Index batch, Index height, Index elements_of_row) {
    constexpr Index cached = 1 << 17, enough = 16;
    const Index most = std::min(cached / std::max<Index>(elements_of_row, 1), divide_up(batch * height, enough));
    count = divide_up(height, std::clamp<Index>(most, 1, height));
    rows = divide_up(height, count);
    count = divide_up(height, rows);
  }
};

/// Calls body(first, last) for ranges of the pieces into which the work of the convolution is cut.
template <class Body>
void for_each_piece_of(Index pieces, const Conv2d& s, Body&& body) {
  constexpr double worth_a_thread = 1 << 18;  // multiplications
  const double all = double(s.batch) * double(s.filters) * double(s.out_plane()) * double(s.window());
  parallel_for(pieces, Index(std::clamp(worth_a_thread * double(pieces) / all, 1.0, 1e9)), std::forward<Body>(body));
}

}  // namespace gradus::kernels
