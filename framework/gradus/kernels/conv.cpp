#include "gradus/kernels/conv.hpp"

#include <algorithm>
#include <atomic>

#include "gradus/core/environment.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/kernels/blas.hpp"
#include "gradus/kernels/channel_blocks.hpp"
#include "gradus/kernels/direct_conv.hpp"
#include "gradus/kernels/planar_conv.hpp"
#include "gradus/kernels/winograd.hpp"

// Convolutions of one group are done by Winograd's filtering (winograd.cpp) or by shifted products (direct_conv.cpp,
// planar_conv.cpp). What is here is for groups and for 1x1 kernels: each output is the product of the weights with a
// window of the input.
// The windows are laid out as the columns of a matrix (window, positions), a tile of positions at a time, so that the
// tile is still in the cache when BLAS reads it. A 1x1 kernel with stride 1 needs no tile: the image is that matrix.
namespace gradus::kernels {
namespace {

constexpr Index tile_elements = 1 << 17;  // of a tile of columns: half of a level-2 cache of 1 MiB, in float
constexpr Index least_tile = 64;          // positions; fewer make slim products
// Work is split until this many pieces are there, by a rule that does not look at the number of threads.
constexpr Index enough_pieces = 16;
constexpr double worth_a_thread = 1 << 18;  // multiplications

bool is_pointwise(const Conv2d& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.padding_h == 0 &&
         s.padding_w == 0;
}

// A run of output positions, row by row.
struct Tile {
  Index first, count;
};

struct Tiling {
  Index width, count;
  Tiling(const Conv2d& s, Index window, bool split) {
    const Index plane = std::max<Index>(s.out_plane(), 1);
    width = plane;
    if (!is_pointwise(s)) width = std::max(least_tile, tile_elements / std::max<Index>(window, 1) / 16 * 16);
    if (split) width = std::min(width, std::max(least_tile, divide_up(plane, enough_pieces)));
    // Equal tiles, rather than a rest at the end.
    count = divide_up(plane, std::min(width, plane));
    width = divide_up(plane, count);
  }
  Tile tile(const Conv2d& s, Index i) const { return {i * width, std::min(width, s.out_plane() - i * width)}; }
};

// Where a window element reads along one axis: output o reads input o * stride + offset, inside the input for begin <=
// o < end.
struct Reach {
  Index offset, begin, end;
  Reach(Index place, Index dilation, Index padding, Index stride, Index size, Index out) {
    offset = place * dilation - padding;
    begin = offset >= 0 ? 0 : divide_up(-offset, stride);
    end = offset >= size ? 0 : (size - 1 - offset) / stride + 1;
    end = std::clamp<Index>(end, 0, out);
    begin = std::min(begin, end);
  }
};

// Calls visit(row of the tile's matrix, input channel, reach of the rows, reach of the columns) for each element of the
// window.
template <class Visit>
void for_each_element(const Conv2d& s, Index channels, Visit&& visit) {
  Index k = 0;
  for (Index c = 0; c < channels; ++c)
    for (Index p = 0; p < s.kernel_h; ++p) {
      const Reach rows(p, s.dilation_h, s.padding_h, s.stride_h, s.height, s.out_h);
      for (Index q = 0; q < s.kernel_w; ++q, ++k)
        visit(k, c, rows, Reach(q, s.dilation_w, s.padding_w, s.stride_w, s.width, s.out_w));
    }
}

// Calls segment(row of the tile's matrix, place in the tile, input channel, input row or -1, reach of the columns,
// first and last output column) for every piece of an output row in the tile.
template <class Segment>
void for_each_segment(const Conv2d& s, Tile tile, Index channels, Segment&& segment) {
  for_each_element(s, channels, [&](Index k, Index c, const Reach& rows, const Reach& columns) {
    Index i = tile.first / s.out_w, j = tile.first % s.out_w;
    for (Index at = 0; at < tile.count; ++i, j = 0) {
      const Index length = std::min(s.out_w - j, tile.count - at);
      const bool inside = i >= rows.begin && i < rows.end;
      segment(k, at, c, inside ? i * s.stride_h + rows.offset : Index{-1}, columns, j, j + length);
      at += length;
    }
  });
}

// With stride 1 and an output as wide as the input, an element of the kernel sees the whole plane, shifted by a fixed
// distance: rows of the tile's matrix are long runs of the plane, but for the padding.
bool is_shift(const Conv2d& s) { return s.stride_h == 1 && s.stride_w == 1 && s.out_w == s.width; }

// A row of the tile's matrix is 0 in [tile, begin) and [end, tile end), and plane[t + shift] for t in [from, to),
// except at padded columns.
struct ShiftedRow {
  Index shift, begin, end, from, to;
  ShiftedRow(const Conv2d& s, Tile tile, const Reach& rows, const Reach& columns) {
    const Index last = tile.first + tile.count;
    shift = rows.offset * s.width + columns.offset;
    begin = std::clamp(rows.begin * s.width, tile.first, last);
    end = std::clamp(rows.end * s.width, begin, last);
    // What lies outside the plane before and after it is at padded columns of the first and the last row.
    from = std::clamp(-shift, begin, end);
    to = std::clamp(s.plane() - shift, from, end);
  }
  template <class T>
  void clear_padded_columns(const Conv2d& s, const Reach& columns, T* row) const {
    if (begin == end || (columns.begin == 0 && columns.end == s.width)) return;
    for (Index start = begin / s.width * s.width; start < end; start += s.width) {
      for (Index t = std::max(start, begin); t < std::min(start + columns.begin, end); ++t) row[t] = 0;
      for (Index t = std::max(start + columns.end, begin); t < std::min(start + s.width, end); ++t) row[t] = 0;
    }
  }
};

// columns (channels * kernel, tile.count) = the windows of the tile, from the planes at x.
template <class T>
void gather_columns(const Conv2d& s, const T* x, Index channels, Tile tile, T* columns) {
  if (is_shift(s)) {
    for_each_element(s, channels, [&](Index k, Index c, const Reach& rows, const Reach& reach) {
      const ShiftedRow row(s, tile, rows, reach);
      T* out = columns + k * tile.count - tile.first;
      const T* plane = x + c * s.plane();
      std::fill(out + tile.first, out + row.from, T(0));
      std::copy(plane + row.from + row.shift, plane + row.to + row.shift, out + row.from);
      std::fill(out + row.to, out + tile.first + tile.count, T(0));
      row.clear_padded_columns(s, reach, out);
    });
    return;
  }
  for_each_segment(s, tile, channels,
                   [&](Index k, Index at, Index c, Index row, const Reach& reach, Index from, Index to) {
                     T* out = columns + k * tile.count + at;
                     if (row < 0) {
                       std::fill(out, out + (to - from), T(0));
                       return;
                     }
                     const Index begin = std::clamp(reach.begin, from, to), end = std::clamp(reach.end, begin, to);
                     const T* in = x + (c * s.height + row) * s.width + reach.offset;
                     std::fill(out, out + (begin - from), T(0));
                     if (s.stride_w == 1)
                       std::copy(in + begin, in + end, out + (begin - from));
                     else
                       for (Index j = begin; j < end; ++j) out[j - from] = in[j * s.stride_w];
                     std::fill(out + (end - from), out + (to - from), T(0));
                   });
}

// The transpose: adds the columns to the places they came from. Uses up the columns.
template <class T>
void scatter_columns(const Conv2d& s, T* columns, Index channels, Tile tile, T* x) {
  if (is_shift(s)) {
    for_each_element(s, channels, [&](Index k, Index c, const Reach& rows, const Reach& reach) {
      const ShiftedRow row(s, tile, rows, reach);
      T* in = columns + k * tile.count - tile.first;
      row.clear_padded_columns(s, reach, in);
      T* out = x + c * s.plane() + row.shift;
      for (Index t = row.from; t < row.to; ++t) out[t] += in[t];
    });
    return;
  }
  for_each_segment(s, tile, channels,
                   [&](Index k, Index at, Index c, Index row, const Reach& reach, Index from, Index to) {
                     if (row < 0) return;
                     const Index begin = std::clamp(reach.begin, from, to), end = std::clamp(reach.end, begin, to);
                     const T* in = columns + k * tile.count + at;
                     T* out = x + (c * s.height + row) * s.width + reach.offset;
                     if (s.stride_w == 1)
                       for (Index j = begin; j < end; ++j) out[j] += in[j - from];
                     else
                       for (Index j = begin; j < end; ++j) out[j * s.stride_w] += in[j - from];
                   });
}

// The matrix of windows of a tile: gathered into the buffer, or the image itself.
template <class T>
struct Columns {
  const T* data;
  Index row;
  Columns(const Conv2d& s, const T* x, Index channels, Tile tile, const Buffer<T>& buffer) {
    if (is_pointwise(s)) {
      data = x + tile.first;
      row = s.plane();
    } else {
      gather_columns(s, x, channels, tile, buffer.data());
      data = buffer.data();
      row = tile.count;
    }
  }
};

template <class Body>
void for_each_piece(Index pieces, double multiplications, Body&& body) {
  const double each = std::max(1.0, multiplications / double(std::max<Index>(pieces, 1)));
  parallel_for(pieces, Index(std::clamp(worth_a_thread / each, 1.0, 1e9)), std::forward<Body>(body));
}

double multiplications(const Conv2d& s) {
  return double(s.batch) * double(s.filters) * double(s.out_plane()) * double(s.window());
}

// With few images the channels are split as well: every part needs its own rows of the matrix of windows only.
Index channels_of_piece(const Conv2d& s, Index pieces) {
  const Index wanted = std::max<Index>(1, enough_pieces / std::max<Index>(pieces, 1));
  return std::max<Index>(std::min<Index>(16, std::max<Index>(s.group_channels(), 1)),
                         divide_up(s.group_channels(), wanted));
}

std::atomic<bool>& winograd() {
  static std::atomic<bool> enabled{left_on("GRADUS_WINOGRAD")};
  return enabled;
}

// Of one group: a product of the weights with an image whose planes are long enough to be its rows.
bool is_product(const Conv2d& s) {
  constexpr Index long_enough = 128;
  return is_pointwise(s) && s.plane() >= long_enough;
}

bool by_winograd(const Conv2d& s) { return winograd_suits(s) && winograd_enabled(); }

}  // namespace

bool winograd_enabled() { return winograd().load(std::memory_order_relaxed); }
void set_winograd(bool enabled) { winograd() = enabled; }

template <class T>
void conv2d(const Conv2d& s, const T* x, const T* w, const T* bias, T* y) {
  if (s.batch * s.filters * s.out_plane() == 0) return;
  if (by_winograd(s)) return winograd_conv2d(s, x, w, bias, y);
  if (s.groups == 1 && s.window() > 0) {
    if (s.filters <= most_planar_results) return planar_conv2d(s, x, w, bias, y);
    if (!is_product(s)) return direct_conv2d(s, x, w, bias, y);
  }
  const Index window = s.window(), filters = s.group_filters(), channels = s.group_channels(), plane = s.out_plane();
  const Tiling tiling(s, window, s.batch * s.groups < enough_pieces);
  for_each_piece(s.batch * s.groups * tiling.count, multiplications(s), [&](Index first, Index last) {
    const Buffer<T> buffer(is_pointwise(s) ? 0 : window * tiling.width);
    for (Index i = first; i < last; ++i) {
      const Index image = i / tiling.count, group = image % s.groups;  // `image` counts groups as images of their own
      const Tile tile = tiling.tile(s, i % tiling.count);
      T* out = y + image * filters * plane + tile.first;
      if (bias != nullptr)
        for (Index f = 0; f < filters; ++f) std::fill_n(out + f * plane, tile.count, bias[group * filters + f]);
      const Columns<T> columns(s, x + image * channels * s.plane(), channels, tile, buffer);
      gemm_part(false, false, filters, tile.count, window, w + group * filters * window, window, columns.data,
                columns.row, bias != nullptr ? T(1) : T(0), out, plane);
    }
  });
}

template <class T>
void conv2d_input_grad(const Conv2d& s, const T* g, const T* w, T* dx) {
  if (s.batch * s.channels * s.plane() == 0) return;
  if (by_winograd(s)) return winograd_input_grad(s, g, w, dx);
  if (s.groups == 1 && s.filters * s.out_plane() * s.window() > 0) {
    if (s.channels <= most_planar_results) return planar_input_grad(s, g, w, dx);
    if (!is_product(s)) return direct_input_grad(s, g, w, dx);
  }
  const Index filters = s.group_filters(), channels = s.group_channels(), plane = s.out_plane(), window = s.window();
  const Index kernel = s.kernel_h * s.kernel_w;
  const Index part = channels_of_piece(s, s.batch * s.groups), parts = divide_up(channels, part);
  const Tiling tiling(s, part * kernel, false);
  for_each_piece(s.batch * s.groups * parts, multiplications(s), [&](Index first, Index last) {
    const bool pointwise = is_pointwise(s);
    const Buffer<T> buffer(pointwise ? 0 : part * kernel * tiling.width);
    for (Index i = first; i < last; ++i) {
      const Index image = i / parts, group = image % s.groups, start = i % parts * part;
      const Index count = std::min(part, channels - start);
      T* out = dx + (image * channels + start) * s.plane();
      const T* weights = w + group * filters * window + start * kernel;
      if (pointwise) {
        gemm_part(true, false, count, plane, filters, weights, window, g + image * filters * plane, plane, T(0), out,
                  plane);
        continue;
      }
      std::fill_n(out, count * s.plane(), T(0));
      if (plane == 0 || filters == 0 || kernel == 0) continue;
      for (Index t = 0; t < tiling.count; ++t) {
        const Tile tile = tiling.tile(s, t);
        gemm_part(true, false, count * kernel, tile.count, filters, weights, window,
                  g + image * filters * plane + tile.first, plane, T(0), buffer.data(), tile.count);
        scatter_columns(s, buffer.data(), count, tile, out);
      }
    }
  });
}

template <class T>
void conv2d_weight_grad(const Conv2d& s, const T* g, const T* x, T* dw) {
  const Index filters = s.group_filters(), channels = s.group_channels(), plane = s.out_plane(), window = s.window();
  const Index size = s.filters * window, kernel = s.kernel_h * s.kernel_w;
  if (size == 0) return;
  if (s.batch == 0 || plane == 0) {
    std::fill_n(dw, size, T(0));
    return;
  }
  if (by_winograd(s)) return winograd_weight_grad(s, g, x, dw);
  if (s.groups == 1 && !is_product(s)) return direct_weight_grad(s, g, x, dw);
  // Images are summed in blocks, then the blocks in their order. Large weights get fewer blocks, to save memory.
  const Index wanted = std::clamp<Index>((1 << 24) / size, 4, enough_pieces);
  const Index block = divide_up(s.batch, std::min(wanted, s.batch)), blocks = divide_up(s.batch, block);
  const Index part = channels_of_piece(s, blocks * s.groups), parts = divide_up(channels, part);
  const Tiling tiling(s, part * kernel, false);
  const Buffer<T> partial((blocks - 1) * size);  // the first block sums up in the result itself
  for_each_piece(blocks * s.groups * parts, multiplications(s), [&](Index first, Index last) {
    const Buffer<T> buffer(is_pointwise(s) ? 0 : part * kernel * tiling.width);
    for (Index i = first; i < last; ++i) {
      const Index b = i / (s.groups * parts), group = i / parts % s.groups, start = i % parts * part;
      const Index count = std::min(part, channels - start);
      T* out = (b == 0 ? dw : partial.data() + (b - 1) * size) + group * filters * window + start * kernel;
      bool fresh = true;
      for (Index n = b * block; n < std::min(s.batch, (b + 1) * block); ++n)
        for (Index t = 0; t < tiling.count; ++t) {
          const Tile tile = tiling.tile(s, t);
          const Index image = n * s.groups + group;
          const Columns<T> columns(s, x + (image * channels + start) * s.plane(), count, tile, buffer);
          gemm_part(false, true, filters, count * kernel, tile.count, g + image * filters * plane + tile.first, plane,
                    columns.data, columns.row, fresh ? T(0) : T(1), out, window);
          fresh = false;
        }
    }
  });
  parallel_for(size, 1 << 14, [&](Index first, Index last) {
    for (Index b = 1; b < blocks; ++b) {
      const T* from = partial.data() + (b - 1) * size;
      for (Index i = first; i < last; ++i) dw[i] += from[i];
    }
  });
}

template <class T>
void conv2d_grads(const Conv2d& s, const T* g, const T* x, const T* w, T* dx, T* dw) {
  const bool empty = s.batch * s.channels * s.plane() == 0 || s.filters * s.window() * s.out_plane() == 0;
  if (!empty && by_winograd(s)) return winograd_grads(s, g, x, w, dx, dw);
  conv2d_input_grad(s, g, w, dx);
  conv2d_weight_grad(s, g, x, dw);
}

#define GRADUS_INSTANTIATE(T)                                             \
  template void conv2d(const Conv2d&, const T*, const T*, const T*, T*);  \
  template void conv2d_input_grad(const Conv2d&, const T*, const T*, T*); \
  template void conv2d_weight_grad(const Conv2d&, const T*, const T*, T*); \
  template void conv2d_grads(const Conv2d&, const T*, const T*, const T*, T*, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
