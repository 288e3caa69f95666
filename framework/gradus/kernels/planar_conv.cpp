#include "gradus/kernels/planar_conv.hpp"

#include <array>
#include <deque>

#include "gradus/kernels/shifted_sum.hpp"

// With few results their vectors would be mostly empty (direct_conv.cpp). Here a vector holds neighbouring outputs of
// one plane: each tap adds a shifted piece of an input row, times one weight for each result.
namespace gradus::kernels {
namespace {

// The part of an image that a band of outputs reads: (channels, rows, columns), with zeros around it. Columns are
// sorted by their remainder modulo the stride, so that what neighbouring outputs read lies side by side.
template <class T>
class PlanarCopy {
 public:
  PlanarCopy(const Source<T>& source, Index most_rows)
      : source_(source),
        columns_(source.columns.reach(source.columns.count())),
        group_(divide_up(columns_, source.columns.stride)),
        row_(group_ * source.columns.stride),
        plane_(source.rows.reach(most_rows) * row_),
        data_(source.channels * plane_ + 2 * lanes<T> + row_) {}  // the last vectors reach beyond the last row

  void fill(Index image, Index first, Index count) {
    const Source<T>& s = source_;
    const Index rows = s.rows.reach(count), top = first * s.rows.stride + s.rows.least;
    for (Index c = 0; c < s.channels; ++c)
      for (Index i = 0; i < rows; ++i) {
        const Index row = top + i;
        T* const to = data_.data() + c * plane_ + i * row_;
        if (row < 0 || row >= s.height) {
          std::fill_n(to, row_, T(0));
          continue;
        }
        fill_row(s.data + ((image * s.channels + c) * s.height + row) * s.width, to);
      }
  }

  const T* data() const { return data_.data(); }
  Index row() const { return row_; }
  // Where each channel and tap, in this order, is read for the first output of the band.
  std::vector<Index> places(const Phase& rows, const Phase& columns) const {
    std::vector<Index> all;
    for (Index c = 0; c < source_.channels; ++c)
      for (const Tap& p : rows.taps)
        for (const Tap& q : columns.taps) {
          const Index j = q.offset - source_.columns.least, stride = source_.columns.stride;
          all.push_back(c * plane_ + (p.offset - source_.rows.least) * row_ + j % stride * group_ + j / stride);
        }
    return all;
  }

 private:
  void fill_row(const T* from, T* to) const {
    const Index stride = source_.columns.stride, left = source_.columns.least;
    const Index begin = std::clamp<Index>(-left, 0, columns_);
    const Index end = std::clamp<Index>(source_.width - left, begin, columns_);
    if (stride == 1) {
      std::fill_n(to, begin, T(0));
      std::copy_n(from + left + begin, end - begin, to + begin);
      std::fill_n(to + end, columns_ - end, T(0));
      return;
    }
    for (Index j = 0; j < columns_; ++j)
      to[j % stride * group_ + j / stride] = j >= begin && j < end ? from[left + j] : T(0);
  }

  const Source<T>& source_;
  Index columns_, group_, row_, plane_;
  Buffer<T> data_;
};

// The sums of a tile: `results` planes of two vectors of outputs, which lie `distance` apart in the input.
template <class T>
struct Sums {
  const T* from;
  Index distance;
  const std::vector<Index>& places;
  const T* weights;  // (places, results)
  const T* bias;     // or null
  T* to;             // (results, 2, lanes)
};

template <class T, int results, int vectors>
void sum_tile(const Sums<T>& s) {
  using V = simd::Batch<T>;
  V sum[results][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < results; ++r)
#pragma GCC unroll 2
    for (int n = 0; n < vectors; ++n) sum[r][n] = s.bias != nullptr ? V(s.bias[r]) : V(0);
  const T* weights = s.weights;
  for (const Index place : s.places) {
    V in[vectors];
#pragma GCC unroll 2
    for (int n = 0; n < vectors; ++n) in[n] = V::load(s.from + place + n * s.distance);
#pragma GCC unroll 8
    for (int r = 0; r < results; ++r)
#pragma GCC unroll 2
      for (int n = 0; n < vectors; ++n) sum[r][n] = fma(V(weights[r]), in[n], sum[r][n]);
    weights += results;
  }
#pragma GCC unroll 8
  for (int r = 0; r < results; ++r)
#pragma GCC unroll 2
    for (int n = 0; n < vectors; ++n) sum[r][n].store(s.to + (r * 2 + n) * V::size);
}

template <class T>
using SumTile = void (*)(const Sums<T>&);
template <class T, int vectors, std::size_t... results>
constexpr auto sum_tiles(std::index_sequence<results...>) {
  return std::array<SumTile<T>, sizeof...(results)>{sum_tile<T, int(results) + 1, vectors>...};
}

template <class T>
std::vector<T> packed(const TapWeights<T>& w, const Phase& rows, const Phase& columns) {
  std::vector<T> all;
  for (Index t = 0; t < w.terms; ++t)
    for (const Tap& p : rows.taps)
      for (const Tap& q : columns.taps)
        for (Index r = 0; r < w.results; ++r)
          all.push_back(w.data[r * w.result_stride + t * w.term_stride + p.place * w.kernel_w + q.place]);
  return all;
}

// out (batch, results, height, width) = the source times the weights, plus the bias unless it is null.
template <class T>
void convolve(const Conv2d& s, const Source<T>& source, const TapWeights<T>& weights, const T* bias, Index height,
              Index width, T* out) {
  static constexpr auto counts = std::make_index_sequence<std::size_t(most_planar_results)>{};
  static constexpr std::array tiles{sum_tiles<T, 1>(counts), sum_tiles<T, 2>(counts)};
  std::vector<std::vector<T>> all_weights;
  for (const Phase& rows : source.rows.phases)
    for (const Phase& columns : source.columns.phases) all_weights.push_back(packed(weights, rows, columns));
  const Index plane = height * width, results = weights.results;
  const Bands bands(s.batch, source.rows.count(), source.channels * source.width * source.rows.stride);
  for_each_piece_of(s.batch * bands.count, s, [&](Index begin, Index end) {
    PlanarCopy<T> copy(source, bands.rows);
    std::vector<std::vector<Index>> places;
    for (const Phase& rows : source.rows.phases)
      for (const Phase& columns : source.columns.phases) places.push_back(copy.places(rows, columns));
    alignas(64) T tile[most_planar_results * 2 * lanes<T>];
    for (Index i = begin; i < end; ++i) {
      const Index image = i / bands.count, first = i % bands.count * bands.rows;
      const Index last = std::min(first + bands.rows, source.rows.count());
      copy.fill(image, first, last - first);
      T* const to = out + image * results * plane;
      std::size_t pair = 0;
      for (const Phase& rows : source.rows.phases)
        for (const Phase& columns : source.columns.phases) {
          // The two vectors of a tile are neighbours, or stand one above the other where a row is a vector at most.
          const bool tall = columns.count <= lanes<T>;
          const Index down = tall ? 2 : 1, right = tall ? lanes<T> : 2 * lanes<T>;
          const Index most = std::min(last, rows.count), line = source.rows.stride * copy.row();
          for (Index m = first; m < most; m += down)
            for (Index j = 0; j < columns.count; j += right) {
              const bool two = tall ? m + 1 < most : j + lanes<T> < columns.count;
              tiles[two][std::size_t(results - 1)]({copy.data() + (m - first) * line + j, tall ? line : lanes<T>,
                                                    places[pair], all_weights[pair].data(), bias, tile});
              for (Index n = 0; n <= Index(two); ++n) {
                const Index row = tall ? m + n : m, column = tall ? j : j + n * lanes<T>;
                T* const at = to + (rows.first + row * rows.step) * width + columns.first + column * columns.step;
                const Index count = std::min(lanes<T>, columns.count - column);
                for (Index r = 0; r < results; ++r)
                  for (Index k = 0; k < count; ++k) at[r * plane + k * columns.step] = tile[(r * 2 + n) * lanes<T> + k];
              }
            }
          ++pair;
        }
    }
  });
}

}  // namespace

template <class T>
void planar_conv2d(const Conv2d& s, const T* x, const T* w, const T* bias, T* y) {
  convolve<T>(s, forward_source(s, x), forward_weights(s, w), bias, s.out_h, s.out_w, y);
}

template <class T>
void planar_input_grad(const Conv2d& s, const T* g, const T* w, T* dx) {
  convolve<T>(s, transposed_source(s, g), transposed_weights(s, w), nullptr, s.height, s.width, dx);
}

#define GRADUS_INSTANTIATE(T)                                                   \
  template void planar_conv2d(const Conv2d&, const T*, const T*, const T*, T*); \
  template void planar_input_grad(const Conv2d&, const T*, const T*, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
