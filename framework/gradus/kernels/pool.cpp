#include "gradus/kernels/pool.hpp"

#include <algorithm>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/broadcast.hpp"
#include "gradus/kernels/channel_blocks.hpp"

namespace gradus::kernels {
namespace {

Index planes_worth_a_thread(Index work) { return std::max<Index>(1, elementwise_grain / std::max<Index>(work, 1)); }

template <class V, std::size_t... i>
V every_second(V a, V b, Index from, std::index_sequence<i...>) {
  return from == 0 ? __builtin_shufflevector(a, b, int(2 * i)...) : __builtin_shufflevector(a, b, int(2 * i + 1)...);
}

// A row of windows of 2x2 with stride 2 and without padding, as many at a time as a vector register has numbers.
// `place` is that of the first window's first element.
template <class T>
void max_of_squares(const T* above, Index width, Index count, std::int64_t place, T* y, std::int64_t* places) {
  using V = typename detail::Register<T>::type;
  using Mask = decltype(V{} <= V{});
  constexpr auto all = std::make_index_sequence<std::size_t(lanes<T>)>{};
  const auto load = [](const T* from, Index n) {
    return detail::to_register(simd::Batch<T>::load_partial(from, int(std::clamp<Index>(n, 0, lanes<T>))));
  };
  for (Index j = 0; j < count; j += lanes<T>) {
    const Index n = std::min(lanes<T>, count - j);
    V best{};
    Mask choice{};
    for (int row = 0; row < 2; ++row) {
      const T* from = above + row * width + 2 * j;
      const V left = load(from, 2 * n), right = load(from + lanes<T>, 2 * n - lanes<T>);
      for (int column = 0; column < 2; ++column) {
        const V value = every_second(left, right, column, all);
        // "Not below" is true for a NaN as well; nothing replaces the first one.
        const Mask larger = row + column == 0 ? ~Mask{} : ~(value <= best) & (best == best);
        best = larger ? value : best;
        choice = larger ? Mask{} + (2 * row + column) : choice;
      }
    }
    detail::store<T>(best, y + j, n);
    for (Index k = 0; k < n; ++k) places[j + k] = place + 2 * (j + k) + (choice[k] & 1) + (choice[k] >> 1) * width;
  }
}

}  // namespace

template <class T>
void max_pool2d(const MaxPool2d& s, const T* x, T* y, std::int64_t* places) {
  const Index out_plane = s.out_h * s.out_w;
  const bool squares =
      s.kernel_h == 2 && s.kernel_w == 2 && s.stride_h == 2 && s.stride_w == 2 && s.padding_h == 0 && s.padding_w == 0;
  parallel_for(s.planes, planes_worth_a_thread(out_plane * s.kernel_h * s.kernel_w), [&](Index first, Index last) {
    for (Index plane = first; plane < last; ++plane) {
      const T* in = x + plane * s.height * s.width;
      Index at = plane * out_plane;
      for (Index i = 0; i < s.out_h; ++i) {
        const Index top = i * s.stride_h - s.padding_h;
        if (squares) {
          max_of_squares(in + top * s.width, s.width, s.out_w, top * s.width, y + at, places + at);
          at += s.out_w;
          continue;
        }
        const Index row0 = std::max<Index>(top, 0), row1 = std::min(top + s.kernel_h, s.height);
        for (Index j = 0; j < s.out_w; ++j, ++at) {
          const Index left = j * s.stride_w - s.padding_w;
          const Index column0 = std::max<Index>(left, 0), column1 = std::min(left + s.kernel_w, s.width);
          Index place = row0 * s.width + column0;
          T best = in[place];
          for (Index r = row0; r < row1; ++r)
            for (Index c = column0; c < column1; ++c) {
              const T value = in[r * s.width + c];
              // "Not below" is true for a NaN as well; nothing replaces the first one.
              if (!(value <= best) && best == best) {
                best = value;
                place = r * s.width + c;
              }
            }
          y[at] = best;
          places[at] = place;
        }
      }
    }
  });
}

template <class T>
void average_pool2d(const AveragePool2d& s, const T* x, T* y) {
  const Index out_plane = Index(s.rows.size() * s.columns.size());
  parallel_for(s.planes, planes_worth_a_thread(s.height * s.width + out_plane), [&](Index first, Index last) {
    for (Index plane = first; plane < last; ++plane) {
      const T* in = x + plane * s.height * s.width;
      T* out = y + plane * out_plane;
      for (const Window& row : s.rows)
        for (const Window& column : s.columns) {
          double total = 0;
          for (Index r = row.begin; r < row.end; ++r)
            for (Index c = column.begin; c < column.end; ++c) total += double(in[r * s.width + c]);
          *out++ = T(total / (row.share * column.share));
        }
    }
  });
}

template <class T>
void average_pool2d_backward(const AveragePool2d& s, const T* g, T* dx) {
  const Index out_plane = Index(s.rows.size() * s.columns.size());
  parallel_for(s.planes, planes_worth_a_thread(s.height * s.width + out_plane), [&](Index first, Index last) {
    for (Index plane = first; plane < last; ++plane) {
      const T* in = g + plane * out_plane;
      T* out = dx + plane * s.height * s.width;
      std::fill_n(out, s.height * s.width, T(0));
      for (const Window& row : s.rows)
        for (const Window& column : s.columns) {
          const T value = T(double(*in++) / (row.share * column.share));
          for (Index r = row.begin; r < row.end; ++r)
            for (Index c = column.begin; c < column.end; ++c) out[r * s.width + c] += value;
        }
    }
  });
}

#define GRADUS_INSTANTIATE(T)                                              \
  template void max_pool2d(const MaxPool2d&, const T*, T*, std::int64_t*); \
  template void average_pool2d(const AveragePool2d&, const T*, T*);        \
  template void average_pool2d_backward(const AveragePool2d&, const T*, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
