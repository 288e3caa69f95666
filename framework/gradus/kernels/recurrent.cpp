#include "gradus/kernels/recurrent.hpp"

#include <algorithm>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/blas.hpp"
#include "gradus/kernels/channel_blocks.hpp"
#include "gradus/kernels/register_tile.hpp"

namespace gradus::kernels {
namespace {

// Samples do not meet, so that a few of them go through all the steps on one thread, and what one step leaves for the
// next stays in the first cache.
constexpr Index most_samples = 42;

// op(W)^T, in panels for the innermost loop; columns beyond `hidden` are zeros.
template <class T>
class Factor {
 public:
  Factor(Index hidden, const T* weight, bool transposed)
      : hidden_(hidden), panels_(blocks_of<T>(hidden)), packed_(panels_ * lanes<T> * hidden) {
    T* to = packed_.data();
    for (Index n = 0; n < panels_ * lanes<T>; n += lanes<T>)
      for (Index k = 0; k < hidden; ++k)
        for (Index j = n; j < n + lanes<T>; ++j, ++to)
          *to = j >= hidden ? T(0) : transposed ? weight[j * hidden + k] : weight[k * hidden + j];
  }

  /// Columns of a product, whole panels.
  Index columns() const { return panels_ * lanes<T>; }

  /// sums (rows, columns()) = left times this. Rows of `left` are `step` apart.
  void multiply(const T* left, Index step, Index rows, T* sums) const {
    static constexpr auto tiles = for_all_tiles<T>([]<int panels, int count>() { return &tile<panels, count>; });
    const TileRows<T> parts{rows};
    for (Index n = 0; n < panels_; n += most_panels)
      for (Index t = 0; t < parts.count; ++t) {
        const Index first = parts.first(t);
        const auto width = std::size_t(std::min<Index>(most_panels, panels_ - n));
        tiles[width - 1][std::size_t(parts.height(t) - 1)](hidden_, left + first * step, step,
                                                           packed_.data() + n * lanes<T> * hidden_,
                                                           sums + first * columns() + n * lanes<T>, columns());
      }
  }

 private:
  template <int panels, int rows>
  static void tile(Index depth, const T* left, Index step, const T* right, T* sums, Index row) {
    using V = simd::Batch<T>;
    TileSums<T, rows, panels> sum;
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < panels; ++v) sum[r][v] = V(0);
    accumulate<T, rows, panels>(depth, RowsApart<T, rows>(left, step), right, depth * V::size, sum);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < panels; ++v) sum[r][v].store(sums + r * row + v * V::size);
  }

  Index hidden_, panels_;
  Buffer<T> packed_;
};

// A few samples on their way: what one step leaves for the next.
template <class T>
class Strand {
 public:
  Strand(const Factor<T>& factor, Index hidden, Index samples)
      : factor_(factor),
        hidden_(hidden),
        samples_(samples),
        step_(factor.columns() + lanes<T>),  // so that rows do not share a set of the cache
        left_(samples * step_),
        sums_(samples * factor.columns()) {}

  void leave(const T* numbers) {
    for (Index r = 0; r < samples_; ++r) std::copy_n(numbers + r * hidden_, hidden_, left_.data() + r * step_);
  }
  /// to = from + what was left, times the factor
  void add(const T* from, T* to) {
    factor_.multiply(left_.data(), step_, samples_, sums_.data());
    for (Index r = 0; r < samples_; ++r) {
      const T* sums = sums_.data() + r * factor_.columns();
      for (Index j = r * hidden_; j < (r + 1) * hidden_; ++j) to[j] = from[j] + *sums++;
    }
  }

 private:
  const Factor<T>& factor_;
  Index hidden_, samples_, step_;
  Buffer<T> left_, sums_;
};

// body(strand, first sample, numbers in a step) for all samples, in parts that do not depend on the number of threads.
template <class T, class Body>
void for_strands(const TimeLoop& loop, const Factor<T>& factor, Body&& body) {
  const Index parts = divide_up(loop.batch, most_samples);
  const double work = double(loop.steps) * double(loop.hidden) * double(loop.hidden) * double(most_samples);
  const Index grain = std::max<Index>(1, Index(double(1 << 19) / std::max(work, 1.0)));
  parallel_for(parts, grain, [&](Index part, Index last) {
    for (; part < last; ++part) {
      const Index first = loop.batch * part / parts, samples = loop.batch * (part + 1) / parts - first;
      Strand<T> strand(factor, loop.hidden, samples);
      body(strand, first, samples * loop.hidden);
    }
  });
}

// Where the numbers of a sample begin, at the step that is the s-th to be made.
Index place(const TimeLoop& loop, Index s, Index sample) {
  return ((loop.reversed ? loop.steps - 1 - s : s) * loop.batch + sample) * loop.hidden;
}

}  // namespace

template <class T>
void recur(const TimeLoop& loop, const activations::Function& f, const T* h_0, const T* weight, T* z, T* h) {
  const Factor<T> factor(loop.hidden, weight, true);
  for_strands<T>(loop, factor, [&](Strand<T>& strand, Index sample, Index numbers) {
    strand.leave(h_0 + sample * loop.hidden);
    for (Index s = 0; s < loop.steps; ++s) {
      const Index at = place(loop, s, sample);
      strand.add(z + at, z + at);
      f.evaluate(0, z + at, h + at, numbers);
      strand.leave(h + at);
    }
  });
}

template <class T>
void recur_backward(const TimeLoop& loop, const activations::Function& f, const T* z, const T* weight, const T* g,
                    T* dz) {
  const Factor<T> factor(loop.hidden, weight, false);
  for_strands<T>(loop, factor, [&](Strand<T>& strand, Index sample, Index numbers) {
    for (Index s = loop.steps; s-- > 0;) {
      const Index at = place(loop, s, sample);
      if (s + 1 < loop.steps)
        strand.add(g + at, dz + at);
      else
        std::copy_n(g + at, numbers, dz + at);
      f.product(1, z + at, dz + at, dz + at, numbers);
      strand.leave(dz + at);
    }
  });
}

template <class T>
void recur_weight_gradient(const TimeLoop& loop, const T* h_0, const T* h, const T* dz, bool add, T* dw) {
  const Index n = loop.hidden, one = loop.batch * n, most = std::max<Index>(loop.steps - 1, 0);
  const T *later = loop.reversed ? dz : dz + one, *earlier = loop.reversed ? h + one : h;
  gemm(true, false, n, n, most * loop.batch, later, earlier, T(add), dw);
  if (loop.steps > 0) gemm(true, false, n, n, loop.batch, dz + place(loop, 0, 0), h_0, T(1), dw);
}

#define GRADUS_INSTANTIATE(T)                                                                                    \
  template void recur(const TimeLoop&, const activations::Function&, const T*, const T*, T*, T*);                \
  template void recur_backward(const TimeLoop&, const activations::Function&, const T*, const T*, const T*, T*); \
  template void recur_weight_gradient(const TimeLoop&, const T*, const T*, const T*, bool, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
