#include "gradus/kernels/winograd.hpp"

#include <numbers>
#include <numeric>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/blocked_product.hpp"
#include "gradus/kernels/channel_blocks.hpp"

// F(4x4, 3x3): a tile of 4x4 outputs from 6x6 inputs with 36 multiplications per channel and filter, where the
// definition takes 144. A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
//
// Along one axis, four outputs are y_j = sum_k d_{j+k} w_k. Paired with any u,
//   sum_j u_j y_j = sum over i of d_i times coefficient i of the polynomial u(x) w(x),
// whose degree is 5, so that its values at five points a_i and its leading coefficient ("infinity") determine it:
//   u(x) w(x) = sum_i u(a_i) w(a_i) L_i(x) / L_i(a_i) + u_3 w_2 M(x),  L_i = prod_{l != i} (x - a_l),  M = prod_l (x -
//   a_l).
// Reading this as an equation for y: y = A^T [(G w) * (B^T d)], with the powers a_i^j in the columns of A^T, a_i^k /
// L_i(a_i) in the rows of G, and the coefficients of L_i and M in the rows of B^T. An image takes it along both axes,
// and the sum over channels turns the 36 elementwise products into 36 products of matrices.
//
// The points are 0, +-p, +-q, infinity with p = 1 / sqrt(2) and q = sqrt(2): B. Barabasz, A. Anderson, K. M. Soodhalter
// and D. Gregg, "Error analysis and improving the accuracy of Winograd convolution for deep neural networks", 2018,
// look for points with small errors; these have half of the rms error of the textbook's 0, +-1, +-2, and p q = 1 saves
// work. Then
//   L_0 = x^4 - (p^2 + q^2) x^2 + 1,   L_{+-p} = (x^4 - q^2 x^2) +- p (x^3 - q^2 x),   M = x^5 - (p^2 + q^2) x^3 + x,
// and L_{+-q} with p and q exchanged. Points of opposite sign share their even and odd parts.
namespace gradus::kernels {
namespace {

constexpr double q = std::numbers::sqrt2, p = q / 2, p2 = 0.5, q2 = 2;
constexpr double at_p = 2 * p2 * (p2 - q2), at_q = 2 * q2 * (q2 - p2);  // L_i at its own point; L_0(0) = 1

constexpr Index side = 6, matrices = side * side, out_side = 4;  // of a tile
constexpr Index kernel = 3;

// B^T d, A^T m, A g and G w, and G^T u: the last two for the gradient of the weights, by transposing the trilinear
// form.
struct ToInput {
  static constexpr Index from = side, to = side;
  template <class V>
  static void apply(const V (&d)[from], V (&v)[to]) {
    v[0] = fma(V(-(p2 + q2)), d[2], d[0] + d[4]);
    pair(fma(V(-q2), d[2], d[4]), fma(V(-q2), d[1], d[3]), V(p), v[1], v[2]);
    pair(fma(V(-p2), d[2], d[4]), fma(V(-p2), d[1], d[3]), V(q), v[3], v[4]);
    v[5] = fma(V(-(p2 + q2)), d[3], d[1] + d[5]);
  }
  template <class V>
  static void pair(const V& even, const V& odd, const V& point, V& plus, V& minus) {
    plus = fma(point, odd, even);
    minus = fma(-point, odd, even);
  }
};
struct FromOutput {
  static constexpr Index from = side, to = out_side;
  template <class V>
  static void apply(const V (&m)[from], V (&y)[to]) {
    const V even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
    y[0] = m[0] + even_p + even_q;
    y[1] = fma(V(p), odd_p, V(q) * odd_q);
    y[2] = fma(V(p2), even_p, V(q2) * even_q);
    y[3] = fma(V(p * p2), odd_p, fma(V(q * q2), odd_q, m[5]));
  }
};
struct ToOutput {
  static constexpr Index from = out_side, to = side;
  template <class V>
  static void apply(const V (&g)[from], V (&m)[to]) {
    m[0] = g[0];
    ToInput::pair(fma(V(p2), g[2], g[0]), fma(V(p2), g[3], g[1]), V(p), m[1], m[2]);
    ToInput::pair(fma(V(q2), g[2], g[0]), fma(V(q2), g[3], g[1]), V(q), m[3], m[4]);
    m[5] = g[3];
  }
};
struct ToWeight {
  static constexpr Index from = kernel, to = side;
  template <class V>
  static void apply(const V (&w)[from], V (&u)[to]) {
    u[0] = w[0];
    ToInput::pair(fma(V(p2), w[2], w[0]) * V(1 / at_p), w[1] * V(1 / at_p), V(p), u[1], u[2]);
    ToInput::pair(fma(V(q2), w[2], w[0]) * V(1 / at_q), w[1] * V(1 / at_q), V(q), u[3], u[4]);
    u[5] = w[2];
  }
};
struct FromWeight {
  static constexpr Index from = side, to = kernel;
  template <class V>
  static void apply(const V (&u)[from], V (&w)[to]) {
    const V even_p = (u[1] + u[2]) * V(1 / at_p), even_q = (u[3] + u[4]) * V(1 / at_q);
    w[0] = u[0] + even_p + even_q;
    w[1] = fma(V(p / at_p), u[1] - u[2], V(q / at_q) * (u[3] - u[4]));
    w[2] = fma(V(p2), even_p, fma(V(q2), even_q, u[5]));
  }
};

// A transform along both axes: load(i, j) gives the inputs, store(i, j, value) takes the outputs. In two halves where
// the values in between are more than there are registers; what a half does not need of `apply` is not computed.
template <class Transform, class V, class Load, class Store>
[[gnu::always_inline]] inline void transform_tile(Load&& load, Store&& store) {
  constexpr Index from = Transform::from, to = Transform::to, parts = from * to > 24 ? 2 : 1, rows = to / parts;
#pragma GCC unroll 2
  for (Index part = 0; part < parts; ++part) {
    V half[rows][from];
#pragma GCC unroll 6
    for (Index j = 0; j < from; ++j) {
      V column[from], out[to];
#pragma GCC unroll 6
      for (Index i = 0; i < from; ++i) column[i] = load(i, j);
      Transform::template apply<V>(column, out);
#pragma GCC unroll 6
      for (Index i = 0; i < rows; ++i) half[i][j] = out[part * rows + i];
    }
#pragma GCC unroll 6
    for (Index i = 0; i < rows; ++i) {
      V out[to];
      Transform::template apply<V>(half[i], out);
#pragma GCC unroll 6
      for (Index j = 0; j < to; ++j) store(part * rows + i, j, out[j]);
    }
  }
}

// 36 matrices, each of `panels` panels of `rows` rows. Their distance is an odd number of cache lines: at powers of two
// they would fall into the same places of the cache.
template <class T>
struct Matrices {
  Index panel, distance;
  Matrices(Index panels, Index rows) : panel(rows * lanes<T>) {
    constexpr Index line = 64 / Index(sizeof(T));
    distance = (divide_up(panels * panel, line) | 1) * line;
  }
  Index size() const { return matrices * distance; }
};

// The rows of tiles of all images, one after another, and the blocks of such rows that are transformed together.
struct Grid {
  Index rows, columns, block, blocks;
  Grid(Index batch, Index height, Index width)
      : rows(divide_up(height, out_side)), columns(divide_up(width, out_side)) {
    // Enough tiles to make the most of the transformed weights, few enough to stay in the cache, and blocks for all
    // threads. Whole images where possible, since blocks that share one read rows of it twice.
    constexpr Index enough_tiles = 96, enough_blocks = 16;
    block = std::clamp<Index>(divide_up(batch * rows, enough_blocks), 1, divide_up(enough_tiles, columns));
    if (block >= rows) block = block / rows * rows;
    blocks = divide_up(batch * rows, block);
  }
  // Calls visit(image, first row of tiles in it, number of rows, place of the first tile in the block) for the parts of
  // a block.
  template <class Visit>
  void for_each_part(Index i, Index batch, Visit&& visit) const {
    const Index begin = i * block, end = std::min(begin + block, batch * rows);
    for (Index r = begin; r < end;) {
      const Index row = r % rows, count = std::min(rows - row, end - r);
      visit(r / rows, row, count, (r - begin) * columns);
      r += count;
    }
  }
  Index tiles(Index i, Index batch) const { return (std::min((i + 1) * block, batch * rows) - i * block) * columns; }
  bool operator==(const Grid&) const = default;
};

// What a transform reads: images whose tiles start at (-padding_h, -padding_w).
template <class T>
struct Images {
  const T* data;
  Index channels, height, width, padding_h = 0, padding_w = 0;
};

// What a few rows of tiles read of a block of channels: (rows, columns, lanes), with zeros around the image. It stays in
// the first cache while it is transformed. Tiles of neighbouring rows share `overlap` rows.
template <class T>
class Strip {
 public:
  Strip(const Grid& grid, const Images<T>& images, Index overlap = side - out_side)
      : images_(images),
        overlap_(overlap),
        row_((out_side * grid.columns + overlap) * lanes<T>),
        tile_rows_(std::clamp<Index>((cached / row_ - overlap) / out_side, 1, std::min(grid.block, grid.rows))),
        data_((out_side * tile_rows_ + overlap) * row_) {}

  // The most rows of tiles.
  Index tile_rows() const { return tile_rows_; }
  // Rows of tiles [row, row + count); with `below`, the ones below those before, whose last rows of pixels they share.
  void fill(Index image, Index channel_block, Index row, Index count, bool below) {
    const Index first = channel_block * lanes<T>, kept = below ? overlap_ : 0;
    std::copy_n(data_.data() + out_side * tile_rows_ * row_, kept * row_, data_.data());
    copy_rectangle(images_.data + (image * images_.channels + first) * images_.height * images_.width,
                   images_.channels - first, images_.height, images_.width,
                   {row * out_side - images_.padding_h + kept, -images_.padding_w, out_side * count + overlap_ - kept,
                    row_ / lanes<T>},
                   data_.data() + kept * row_);
  }
  // Row i of tiles, from the place (0, 0) of the padded image or of the image itself.
  const T* padded(Index i) const { return data_.data() + i * out_side * row_; }
  const T* unpadded(Index i) const {
    return padded(i) + images_.padding_h * row_ + images_.padding_w * lanes<T>;
  }
  Index row() const { return row_; }

 private:
  static constexpr Index cached = 24 * 1024 / Index(sizeof(T));

  const Images<T>& images_;
  Index overlap_, row_, tile_rows_;
  Buffer<T> data_;
};

// The tiles of a block of images, transformed: (36, blocks of channels, tiles, lanes).
template <class Transform, class T>
class TransformedTiles {
 public:
  TransformedTiles(const Grid& grid, Index channels, const Buffer<T>& memory)
      : columns_(grid.columns), blocks_(blocks_of<T>(channels)), layout_(layout(grid, channels)), tiles_(memory.data()) {}
  // Of the memory that is needed, which may be shared by what is not used at the same time.
  static Index size(const Grid& grid, Index channels) { return layout(grid, channels).size(); }

  // A row of tiles, of images whose rows are `row` apart; `place` is that of the first tile in the block.
  void transform_row(const T* from, Index row, Index channel_block, Index place) {
    T* to = tiles_ + channel_block * layout_.panel + place * lanes<T>;
    for (Index j = 0; j < columns_; ++j, from += out_side * lanes<T>, to += lanes<T>)
      transform_tile<Transform, V>([&](Index i, Index k) { return V::load(from + i * row + k * lanes<T>); },
                                   [&](Index i, Index k, const V& v) { v.store(to + (i * side + k) * layout_.distance); });
  }

  Index blocks() const { return blocks_; }
  const Matrices<T>& layout() const { return layout_; }
  const T* matrix(Index m) const { return tiles_ + m * layout_.distance; }

 private:
  using V = simd::Batch<T>;
  static Matrices<T> layout(const Grid& grid, Index channels) {
    return {blocks_of<T>(channels), grid.block * grid.columns};
  }

  Index columns_, blocks_;
  Matrices<T> layout_;
  T* tiles_;
};

// Calls visit(channel block, row of tiles in the strip, place of its first tile) for all rows of tiles of a block.
template <class T, class Visit>
void for_each_tile_row(const Grid& grid, Index block, Index batch, Strip<T>& strip, Index first_channels, Index count,
                       Visit&& visit) {
  grid.for_each_part(block, batch, [&](Index image, Index row, Index rows, Index place) {
    for (Index c = first_channels; c < first_channels + count; ++c)
      for (Index top = 0; top < rows; top += strip.tile_rows()) {
        const Index some = std::min(strip.tile_rows(), rows - top);
        strip.fill(image, c, row + top, some, top > 0);
        for (Index i = 0; i < some; ++i) visit(c, i, place + (top + i) * grid.columns);
      }
  });
}

template <class Transform, class T>
void transform_block(const Grid& grid, Index block, Index batch, Strip<T>& strip, TransformedTiles<Transform, T>& tiles,
                     Index first_channels, Index count) {
  for_each_tile_row(grid, block, batch, strip, first_channels, count, [&](Index c, Index i, Index place) {
    tiles.transform_row(strip.padded(i), strip.row(), c, place);
  });
}

// The products of a block, (36, blocks of filters, tiles, lanes), and the way back to images.
template <class T>
class TileResult {
 public:
  TileResult(const Grid& grid, Index channels, Index height, Index width)
      : grid_(grid),
        channels_(channels),
        height_(height),
        width_(width),
        matrices_(blocks_of<T>(channels), grid.block * grid.columns),
        strip_(out_side * out_side * grid.columns * lanes<T>),
        tiles_(matrices_.size()) {}

  // `bias` is null or has a number for every lane of every block.
  void write(Index block, Index batch, const T* bias, T* images) {
    const Index plane = height_ * width_;
    grid_.for_each_part(block, batch, [&](Index image, Index row, Index rows, Index place) {
      for (Index c = 0; c < blocks_of<T>(channels_); ++c) {
        const V shift = bias != nullptr ? V::load(bias + c * lanes<T>) : V(0);
        const T* from = tiles_.data() + c * matrices_.panel + place * lanes<T>;
        T* const out = images + (image * channels_ + c * lanes<T>)*plane;
        for (Index i = 0; i < rows; ++i) {
          for (Index j = 0; j < grid_.columns; ++j, from += lanes<T>) transform(from, shift, j);
          for (Index r = 0; r < std::min(out_side, height_ - (row + i) * out_side); ++r)
            lanes_to_planes(strip_.data() + r * strip_row(), width_, out + ((row + i) * out_side + r) * width_, plane,
                            std::min(lanes<T>, channels_ - c * lanes<T>));
        }
      }
    });
  }

  Index blocks() const { return blocks_of<T>(channels_); }
  Panels<T> matrix(Index m) { return {tiles_.data() + m * matrices_.distance, matrices_.panel}; }

 private:
  using V = simd::Batch<T>;
  Index strip_row() const { return out_side * grid_.columns * lanes<T>; }

  void transform(const T* from, const V& shift, Index column) const {
    T* const to = strip_.data() + column * out_side * lanes<T>;
    transform_tile<FromOutput, V>(
        [&](Index i, Index j) { return V::load(from + (i * side + j) * matrices_.distance); },
        [&](Index i, Index j, const V& v) { (v + shift).store(to + i * strip_row() + j * lanes<T>); });
  }

  const Grid& grid_;
  Index channels_, height_, width_;
  Matrices<T> matrices_;
  Buffer<T> strip_, tiles_;
};

// Weights as (results, terms, 3, 3) of any strides: the sum over terms gives the results.
template <class T>
struct Weights {
  const T* data;
  Index results, terms, result_stride, term_stride;
  bool turned;  // by half a turn
};

// The transformed weights: (36, blocks of results, terms, lanes), with zeros for the terms that fill the last block.
template <class T>
class TransformedWeights {
 public:
  explicit TransformedWeights(const Weights<T>& w)
      : matrices_(blocks_of<T>(w.results), blocks_of<T>(w.terms) * lanes<T>), data_(matrices_.size()) {
    const Index terms = matrices_.panel / lanes<T>;
    parallel_for(blocks_of<T>(w.results) * terms, 256, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i) transform(w, i / terms, i % terms);
    });
  }
  RightFactor<T> matrix(Index m) const { return {data_.data() + m * matrices_.distance, matrices_.panel}; }

 private:
  using V = simd::Batch<T>;

  void transform(const Weights<T>& w, Index block, Index term) const {
    alignas(V::alignment) T taps[kernel * kernel][lanes<T>] = {};
    const Index results = term < w.terms ? std::min(lanes<T>, w.results - block * lanes<T>) : 0;
    for (Index l = 0; l < results; ++l) {
      const T* from = w.data + (block * lanes<T> + l) * w.result_stride + term * w.term_stride;
      for (Index t = 0; t < kernel * kernel; ++t) taps[w.turned ? kernel * kernel - 1 - t : t][l] = from[t];
    }
    T* const to = data_.data() + block * matrices_.panel + term * lanes<T>;
    transform_tile<ToWeight, V>(
        [&](Index i, Index j) { return V::load(taps[i * kernel + j]); },
        [&](Index i, Index j, const V& v) { v.store(to + (i * side + j) * matrices_.distance); });
  }

  Matrices<T> matrices_;
  Buffer<T> data_;
};

template <class T>
std::vector<T> padded_bias(const T* bias, Index filters) {
  if (bias == nullptr) return {};
  std::vector<T> padded(std::size_t(blocks_of<T>(filters) * lanes<T>));
  std::copy_n(bias, filters, padded.begin());
  return padded;
}

template <class T>
void multiply(const TransformedTiles<ToInput, T>& tiles, const TransformedWeights<T>& weights, Index count,
              TileResult<T>& result) {
  std::vector<Index> blocks(std::size_t(tiles.blocks()));
  for (Index c = 0; c < tiles.blocks(); ++c) blocks[std::size_t(c)] = c * tiles.layout().panel;
  for (Index m = 0; m < matrices; ++m)
    multiply_blocked<lanes<T>, 1, T>({tiles.matrix(m), blocks.data(), tiles.blocks(), lanes<T>}, weights.matrix(m),
                                     result.matrix(m), count, result.blocks());
}

// out (batch, results, height, width) = the images convolved with the weights, plus the bias unless it is null.
template <class T>
void convolve(Index batch, const Images<T>& in, const Weights<T>& weights, const T* bias, Index height, Index width,
              T* out) {
  const TransformedWeights<T> transformed(weights);
  const std::vector<T> shift = padded_bias(bias, weights.results);
  const Grid grid(batch, height, width);
  parallel_for(grid.blocks, 1, [&](Index first, Index last) {
    Strip<T> strip(grid, in);
    const Buffer<T> memory(TransformedTiles<ToInput, T>::size(grid, in.channels));
    TransformedTiles<ToInput, T> tiles(grid, in.channels, memory);
    TileResult<T> result(grid, weights.results, height, width);
    for (Index i = first; i < last; ++i) {
      transform_block(grid, i, batch, strip, tiles, 0, tiles.blocks());
      multiply(tiles, transformed, grid.tiles(i, batch), result);
      result.write(i, batch, bias != nullptr ? shift.data() : nullptr, out);
    }
  });
}

// dw (filters, channels, 3, 3) from the sums of the parts, each (36, blocks of filters, channels, lanes).
template <class T>
void write_weights(const Matrices<T>& layout, const T* sums, Index parts, Index filters, Index channels, T* dw) {
  using V = simd::Batch<T>;
  parallel_for(blocks_of<T>(filters) * channels, 64, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      const Index block = i / channels, c = i % channels;
      alignas(V::alignment) T taps[kernel * kernel][lanes<T>];
      const T* const from = sums + block * layout.panel + c * lanes<T>;
      transform_tile<FromWeight, V>(
          [&](Index r, Index s) {
            const T* at = from + (r * side + s) * layout.distance;
            V total = V::load(at);
            for (Index part = 1; part < parts; ++part) total += V::load(at + part * layout.size());
            return total;
          },
          [&](Index r, Index s, const V& v) { v.store(taps[r * kernel + s]); });
      for (Index l = 0; l < std::min(lanes<T>, filters - block * lanes<T>); ++l)
        for (Index t = 0; t < kernel * kernel; ++t)
          dw[((block * lanes<T> + l) * channels + c) * kernel * kernel + t] = taps[t][l];
    }
  });
}

// The sums over the tiles that make the gradient of the weights, shared out in pieces.
template <class T>
class WeightGradient {
 public:
  WeightGradient(const Conv2d& s, const Grid& grid)
      : pieces(grid.blocks, s.batch * s.out_plane(), Matrices<T>(blocks_of<T>(s.filters), rows_of(s)).size(),
               blocks_of<T>(s.filters)),
        filters_(s.filters),
        channels_(s.channels),
        layout_(blocks_of<T>(s.filters), rows_of(s)),
        sums_(pieces.parts * layout_.size()) {}

  const SumPieces pieces;

  // A piece's share of block i, which has `tiles` tiles.
  void add(Index piece, Index i, Index tiles, const TransformedTiles<ToInput, T>& inputs,
           const TransformedTiles<ToOutput, T>& outputs) const {
    static constexpr Index start = 0;
    const auto [part, block, blocks] = pieces.at(piece);
    T* const sum = sums_.data() + part * layout_.size() + block * layout_.panel;
    for (Index m = 0; m < matrices; ++m)
      for (Index c = 0; c < inputs.blocks(); ++c)
        multiply_blocked<1, lanes<T>, T>(
            {inputs.matrix(m) + c * inputs.layout().panel, &start, 1, tiles},
            {outputs.matrix(m) + block * outputs.layout().panel, outputs.layout().panel},
            {sum + m * layout_.distance + c * lanes<T> * lanes<T>, layout_.panel}, lanes<T>, blocks,
            {.result = i > pieces.first_item(part)});
  }
  void write(T* dw) const { write_weights(layout_, sums_.data(), pieces.parts, filters_, channels_, dw); }

 private:
  static Index rows_of(const Conv2d& s) { return blocks_of<T>(s.channels) * lanes<T>; }

  Index filters_, channels_;
  Matrices<T> layout_;
  Buffer<T> sums_;
};

template <class T>
Images<T> inputs_of(const Conv2d& s, const T* x) {
  return {x, s.channels, s.height, s.width, s.padding_h, s.padding_w};
}

// The transpose is a convolution as well: with the kernels turned by half a turn and the opposite padding.
template <class T>
Images<T> padded_outputs_of(const Conv2d& s, const T* g) {
  return {g, s.filters, s.out_h, s.out_w, kernel - 1 - s.padding_h, kernel - 1 - s.padding_w};
}
template <class T>
Weights<T> turned_weights_of(const Conv2d& s, const T* w) {
  return {w, s.channels, s.filters, kernel * kernel, s.window(), true};
}

}  // namespace

bool winograd_possible(const Conv2d& s) {
  return s.kernel_h == kernel && s.kernel_w == kernel && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 &&
         s.dilation_w == 1 && s.groups == 1 && s.padding_h < kernel && s.padding_w < kernel;
}

bool winograd_suits(const Conv2d& s) {
  // Channels fill whole vectors; outputs, whole tiles, of which there are enough to pay for transforming the weights.
  const Index tiles = divide_up(s.out_h, out_side) * divide_up(s.out_w, out_side);
  return winograd_possible(s) && s.channels >= 12 && s.filters >= 12 && 6 * tiles < s.out_plane() &&
         s.batch * tiles >= 128;
}

template <class T>
void winograd_conv2d(const Conv2d& s, const T* x, const T* w, const T* bias, T* y) {
  convolve<T>(s.batch, inputs_of(s, x), {w, s.filters, s.channels, s.window(), kernel * kernel, false}, bias, s.out_h,
              s.out_w, y);
}

template <class T>
void winograd_input_grad(const Conv2d& s, const T* g, const T* w, T* dx) {
  convolve<T>(s.batch, padded_outputs_of(s, g), turned_weights_of(s, w), nullptr, s.height, s.width, dx);
}

template <class T>
void winograd_weight_grad(const Conv2d& s, const T* g, const T* x, T* dw) {
  const Images<T> in = inputs_of(s, x), up{g, s.filters, s.out_h, s.out_w};
  const Grid grid(s.batch, s.out_h, s.out_w);
  WeightGradient<T> gradient(s, grid);
  parallel_for(gradient.pieces.count(), 1, [&](Index begin, Index end) {
    Strip<T> strip_x(grid, in), strip_g(grid, up, 0);
    const Buffer<T> memory_x(TransformedTiles<ToInput, T>::size(grid, s.channels));
    const Buffer<T> memory_g(TransformedTiles<ToOutput, T>::size(grid, s.filters));
    TransformedTiles<ToInput, T> inputs(grid, s.channels, memory_x);
    TransformedTiles<ToOutput, T> outputs(grid, s.filters, memory_g);
    for (Index piece = begin; piece < end; ++piece) {
      const auto [part, block, blocks] = gradient.pieces.at(piece);
      for (Index i = gradient.pieces.first_item(part); i < gradient.pieces.first_item(part + 1); ++i) {
        transform_block(grid, i, s.batch, strip_x, inputs, 0, inputs.blocks());
        transform_block(grid, i, s.batch, strip_g, outputs, block, blocks);
        gradient.add(piece, i, grid.tiles(i, s.batch), inputs, outputs);
      }
    }
  });
  gradient.write(dw);
}

// Where dx and y have the same tiles, both transforms of g are made from one copy.
template <class T>
void winograd_grads(const Conv2d& s, const T* g, const T* x, const T* w, T* dx, T* dw) {
  const Grid grid(s.batch, s.out_h, s.out_w);
  WeightGradient<T> gradient(s, grid);
  if (grid != Grid(s.batch, s.height, s.width) || gradient.pieces.groups > 1) {
    winograd_input_grad(s, g, w, dx);
    winograd_weight_grad(s, g, x, dw);
    return;
  }
  const Images<T> in = inputs_of(s, x), up = padded_outputs_of(s, g);
  const TransformedWeights<T> transformed(turned_weights_of(s, w));
  parallel_for(gradient.pieces.parts, 1, [&](Index begin, Index end) {
    Strip<T> strip_x(grid, in), strip_g(grid, up);
    using Inputs = TransformedTiles<ToInput, T>;
    using Outputs = TransformedTiles<ToOutput, T>;
    const Buffer<T> shared(std::max(Inputs::size(grid, s.channels), Inputs::size(grid, s.filters)));
    const Buffer<T> memory_g(Outputs::size(grid, s.filters));
    Inputs padded_outputs(grid, s.filters, shared), inputs(grid, s.channels, shared);
    Outputs outputs(grid, s.filters, memory_g);
    TileResult<T> result(grid, s.channels, s.height, s.width);
    for (Index part = begin; part < end; ++part)
      for (Index i = gradient.pieces.first_item(part); i < gradient.pieces.first_item(part + 1); ++i) {
        for_each_tile_row(grid, i, s.batch, strip_g, 0, outputs.blocks(), [&](Index c, Index r, Index place) {
          padded_outputs.transform_row(strip_g.padded(r), strip_g.row(), c, place);
          outputs.transform_row(strip_g.unpadded(r), strip_g.row(), c, place);
        });
        multiply(padded_outputs, transformed, grid.tiles(i, s.batch), result);
        result.write(i, s.batch, nullptr, dx);
        transform_block(grid, i, s.batch, strip_x, inputs, 0, inputs.blocks());
        gradient.add(part, i, grid.tiles(i, s.batch), inputs, outputs);
      }
  });
  gradient.write(dw);
}

#define GRADUS_INSTANTIATE(T)                                                     \
  template void winograd_conv2d(const Conv2d&, const T*, const T*, const T*, T*); \
  template void winograd_input_grad(const Conv2d&, const T*, const T*, T*);       \
  template void winograd_weight_grad(const Conv2d&, const T*, const T*, T*);      \
  template void winograd_grads(const Conv2d&, const T*, const T*, const T*, T*, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
