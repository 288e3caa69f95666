#include "gradus/kernels/direct_conv.hpp"

#include <deque>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/blocked_product.hpp"
#include "gradus/kernels/channel_blocks.hpp"
#include "gradus/kernels/shifted_sum.hpp"

// Images are copied with their channels in blocks (channel_blocks.hpp). A row of outputs is then a product of matrices
// for every element of the kernel (tap): a row of inputs, shifted by the tap, times that tap's weights; its sum over
// all taps and channels stays in registers. Nothing is laid out as windows.
//
// The transpose is of the same kind. Of the outputs along an axis, those at the distance of the stride from each other
// see the same taps: they are a phase, and each phase is a convolution of stride 1.
namespace gradus::kernels {
namespace {

// The part of an image that a band of outputs [first, first + count) of the phases reads. Columns are sorted by their
// remainder modulo the stride, so that what neighbouring outputs read lies side by side.
template <class T>
class SourceCopy {
 public:
  SourceCopy(const Source<T>& source, Index most_rows)
      : source_(source),
        columns_(source.columns.reach(source.columns.count())),
        group_(divide_up(columns_, source.columns.stride)),
        row_(group_ * source.columns.stride * lanes<T>),
        block_(source.rows.reach(most_rows) * row_),
        data_(blocks_of<T>(source.channels) * block_),
        unsorted_(source.columns.stride > 1 ? columns_ * lanes<T> : 0) {}

  void fill(Index image, Index first, Index count) {
    const Source<T>& s = source_;
    const Index rows = s.rows.reach(count), top = first * s.rows.stride + s.rows.least;
    for (Index c = 0; c < s.channels; c += lanes<T>) {
      const T* from = s.data + (image * s.channels + c) * s.height * s.width;
      const Index channels = s.channels - c;
      T* to = data_.data() + c / lanes<T> * block_;
      for (Index i = 0; i < rows; ++i, to += row_) {
        if (!s.rows.reads(i)) continue;
        T* const line = s.columns.stride > 1 ? unsorted_.data() : to;
        copy_rectangle(from, channels, s.height, s.width, {top + i, s.columns.least, 1, columns_}, line);
        if (s.columns.stride > 1) sort(line, to);
      }
    }
  }

  const T* data() const { return data_.data(); }
  Index row() const { return row_; }
  Index block() const { return block_; }
  // Where the terms of the products start, for the first output of the band.
  std::vector<Index> segments(const Phase& rows, const Phase& columns) const {
    std::vector<Index> all;
    for (Index b = 0; b < blocks_of<T>(source_.channels); ++b)
      for (const Tap& p : rows.taps)
        for (const Tap& q : columns.taps) all.push_back(b * block_ + place(p, q));
    return all;
  }
  // Where an output at the left of the band's first row finds what a tap reads.
  Index place(const Tap& row, const Tap& column) const {
    const Axis& columns = source_.columns;
    const Index j = column.offset - columns.least;
    return (row.offset - source_.rows.least) * row_ + (j % columns.stride * group_ + j / columns.stride) * lanes<T>;
  }

 private:
  void sort(const T* from, T* to) const {
    const Index stride = source_.columns.stride;
    for (Index r = 0; r < stride; ++r)
      for (Index j = r; j < columns_; j += stride)
        std::copy_n(from + j * lanes<T>, lanes<T>, to + (r * group_ + j / stride) * lanes<T>);
  }

  const Source<T>& source_;
  Index columns_, group_, row_, block_;
  Buffer<T> data_, unsorted_;
};

// The weights of a pair of phases: panels of (blocks of terms, taps, terms of a block) rows.
template <class T>
class PackedWeights {
 public:
  PackedWeights(const TapWeights<T>& w, const Phase& rows, const Phase& columns)
      : taps_(Index(rows.taps.size() * columns.taps.size())),
        terms_(std::min(w.terms, lanes<T>)),
        panel_(blocks_of<T>(w.terms) * taps_ * terms_ * lanes<T>),
        data_(blocks_of<T>(w.results) * panel_) {
    const Index blocks = blocks_of<T>(w.terms);
    parallel_for(blocks_of<T>(w.results) * blocks, 8, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i) {
        T* to = data_.data() + i * taps_ * terms_ * lanes<T>;
        for (const Tap& p : rows.taps)
          for (const Tap& q : columns.taps)
            for (Index t = i % blocks * lanes<T>, end = t + terms_; t < end; ++t)
              for (Index r = i / blocks * lanes<T>, stop = r + lanes<T>; r < stop; ++r)
                *to++ = r < w.results && t < w.terms
                            ? w.data[r * w.result_stride + t * w.term_stride + p.place * w.kernel_w + q.place]
                            : T(0);
      }
    });
  }
  RightFactor<T> panels() const { return {data_.data(), panel_}; }

 private:
  Index taps_, terms_, panel_;
  Buffer<T> data_;
};

// out (batch, results, height, width) = the source times the weights, plus the bias unless it is null.
template <class T>
void convolve(const Conv2d& s, const Source<T>& source, const TapWeights<T>& weights, const T* bias, Index height,
              Index width, T* out) {
  struct Pair {
    const Phase &rows, &columns;
    PackedWeights<T> weights;
    Pair(const Phase& r, const Phase& c, const TapWeights<T>& w) : rows(r), columns(c), weights(w, r, c) {}
  };
  std::deque<Pair> pairs;
  for (const Phase& rows : source.rows.phases)
    for (const Phase& columns : source.columns.phases) pairs.emplace_back(rows, columns, weights);
  const Index blocks = blocks_of<T>(weights.results), step = source.rows.step(), plane = height * width;
  std::vector<T> shift(std::size_t(bias != nullptr ? blocks * lanes<T> : 0));
  if (bias != nullptr) std::copy_n(bias, weights.results, shift.begin());
  const Bands bands(
      s.batch, source.rows.count(),
      lanes<T> * (blocks * width * step + blocks_of<T>(source.channels) * source.width * source.rows.stride));
  for_each_piece_of(s.batch * bands.count, s, [&](Index begin, Index end) {
    SourceCopy<T> copy(source, bands.rows);
    const Index panel = bands.rows * step * width * lanes<T>;
    const Buffer<T> result(blocks * panel);
    std::vector<std::vector<Index>> segments;
    for (const Pair& pair : pairs) segments.push_back(copy.segments(pair.rows, pair.columns));
    for (Index i = begin; i < end; ++i) {
      const Index image = i / bands.count, first = i % bands.count * bands.rows;
      const Index last = std::min(first + bands.rows, source.rows.count());
      copy.fill(image, first, last - first);
      for (std::size_t k = 0; k < pairs.size(); ++k) {
        const Phase &rows = pairs[k].rows, &columns = pairs[k].columns;
        // Without borders the rows of a band are one long row.
        const bool joined = columns.step == 1 && copy.row() * source.rows.stride == columns.count * lanes<T>;
        const Index most = std::min(last, rows.count), together = joined ? most - first : 1;
        for (Index m = first; m < most; m += together)
          multiply_blocked<lanes<T>, 1, T>(
              {copy.data() + (m - first) * source.rows.stride * copy.row(), segments[k].data(),
               Index(segments[k].size()), std::min(source.channels, lanes<T>)},
              pairs[k].weights.panels(),
              {result.data() + ((rows.first + (m - first) * step) * width + columns.first) * lanes<T>, panel,
               columns.step * lanes<T>},
              columns.count * together, blocks, {.row = bias != nullptr ? shift.data() : nullptr});
      }
      const Index top = first * step, count = (std::min(last * step, height) - top) * width;
      for (Index b = 0; b < blocks; ++b)
        lanes_to_planes(result.data() + b * panel, count,
                        out + (image * weights.results + b * lanes<T>)*plane + top * width, plane,
                        std::min(lanes<T>, weights.results - b * lanes<T>));
    }
  });
}

// With fewer channels than this the taps of all channels are the rows of the products for the gradient of the weights;
// with more, the channels of a block are, and the taps come one after another.
template <class T>
constexpr Index few_channels = lanes<T> / 2;

// The sums of all taps: panels of (taps, channels) rows.
template <class T>
struct WeightSums {
  Index taps, channels, panel, size;
  explicit WeightSums(const Conv2d& s)
      : taps(s.kernel_h * s.kernel_w),
        channels(s.channels < few_channels<T> ? s.channels : blocks_of<T>(s.channels) * lanes<T>),
        panel(taps * channels * lanes<T>),
        size(blocks_of<T>(s.filters) * panel) {}
};

// dw (filters, channels, kernel) from the sums of the parts.
template <class T>
void write_weights(const Conv2d& s, const WeightSums<T>& layout, const T* sums, Index parts, T* dw) {
  using V = simd::Batch<T>;
  parallel_for(blocks_of<T>(s.filters) * s.channels, 64, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      const Index block = i / s.channels, c = i % s.channels;
      for (Index tap = 0; tap < layout.taps; ++tap) {
        const T* from = sums + block * layout.panel + (tap * layout.channels + c) * lanes<T>;
        V total = V::load(from);
        for (Index part = 1; part < parts; ++part) total += V::load(from + part * layout.size);
        T all[lanes<T>];
        total.store(all);
        for (Index l = 0, f = block * lanes<T>; l < std::min(lanes<T>, s.filters - f); ++l)
          dw[((f + l) * s.channels + c) * layout.taps + tap] = all[l];
      }
    }
  });
}

}  // namespace

template <class T>
void direct_conv2d(const Conv2d& s, const T* x, const T* w, const T* bias, T* y) {
  convolve<T>(s, forward_source(s, x), forward_weights(s, w), bias, s.out_h, s.out_w, y);
}

template <class T>
void direct_input_grad(const Conv2d& s, const T* g, const T* w, T* dx) {
  convolve<T>(s, transposed_source(s, g), transposed_weights(s, w), nullptr, s.height, s.width, dx);
}

template <class T>
void direct_weight_grad(const Conv2d& s, const T* g, const T* x, T* dw) {
  const Source<T> source = forward_source(s, x);
  const Phase &rows = source.rows.phases.front(), &columns = source.columns.phases.front();
  const WeightSums<T> layout(s);
  const Index filter_blocks = blocks_of<T>(s.filters);
  const Bands bands(s.batch, s.out_h,
                    lanes<T> * (filter_blocks * s.out_w + blocks_of<T>(s.channels) * s.width * s.stride_h));
  const Index bands_of_all = s.batch * bands.count;
  const SumPieces pieces(bands_of_all, s.batch * s.out_plane(), layout.size, filter_blocks);
  const Buffer<T> sums(pieces.parts * layout.size);
  for_each_piece_of(pieces.count(), s, [&](Index begin, Index end) {
    SourceCopy<T> copy(source, bands.rows);
    const Index panel = bands.rows * s.out_w * lanes<T>;
    const Buffer<T> up(pieces.most_blocks() * panel);
    std::vector<Index> lines(std::size_t(bands.rows)), table;
    for (Index m = 0; m < bands.rows; ++m) lines[std::size_t(m)] = m * s.stride_h * copy.row();
    for (const Tap& p : rows.taps)
      for (const Tap& q : columns.taps)
        for (Index c = 0; c < std::min(s.channels, few_channels<T>); ++c) table.push_back(copy.place(p, q) + c);
    for (Index piece = begin; piece < end; ++piece) {
      const auto [part, block, blocks] = pieces.at(piece);
      T* const sum = sums.data() + part * layout.size + block * layout.panel;
      const Index start = pieces.first_item(part);
      for (Index i = start; i < pieces.first_item(part + 1); ++i) {
        const Index image = i / bands.count, first = i % bands.count * bands.rows;
        const Index count = std::min(bands.rows, s.out_h - first);
        copy.fill(image, first, count);
        for (Index b = 0, f = block * lanes<T>; b < blocks; ++b, f += lanes<T>)
          planes_to_lanes(g + (image * s.filters + f) * s.out_plane() + first * s.out_w, s.out_plane(), s.filters - f,
                          count * s.out_w, up.data() + b * panel);
        const Start<T> sums_so_far{.result = i > start};
        if (s.channels < few_channels<T>) {
          multiply_blocked<0, lanes<T>, T>({copy.data(), lines.data(), count, s.out_w, table.data()},
                                           {up.data(), panel}, {sum, layout.panel}, layout.taps * layout.channels,
                                           blocks, sums_so_far);
          continue;
        }
        for (const Tap& p : rows.taps)
          for (const Tap& q : columns.taps)
            for (Index c = 0; c < s.channels; c += lanes<T>)
              multiply_blocked<1, lanes<T>, T>(
                  {copy.data() + c / lanes<T> * copy.block() + copy.place(p, q), lines.data(), count, s.out_w},
                  {up.data(), panel},
                  {sum + ((p.place * s.kernel_w + q.place) * layout.channels + c) * lanes<T>, layout.panel},
                  std::min(lanes<T>, s.channels - c), blocks, sums_so_far);
      }
    }
  });
  write_weights(s, layout, sums.data(), pieces.parts, dw);
}

#define GRADUS_INSTANTIATE(T)                                                   \
  template void direct_conv2d(const Conv2d&, const T*, const T*, const T*, T*); \
  template void direct_input_grad(const Conv2d&, const T*, const T*, T*);       \
  template void direct_weight_grad(const Conv2d&, const T*, const T*, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
