#include "gradus/kernels/movement.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/broadcast.hpp"

namespace gradus::kernels {
namespace {

Index rows_worth_a_thread(Index row) { return std::max<Index>(1, elementwise_grain / std::max<Index>(row, 1)); }

// Integers wrap around; signed overflow would be undefined.
template <class T> T wrapping_add(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  else
    return a + b;
}

// (batch, rows, columns) to (batch, columns, rows), in square blocks that stay in cache.
template <class T> void transpose_blocks(const T* x, T* out, Index batch, Index rows, Index columns) {
  constexpr Index side = 16;
  const Index strips = (rows + side - 1) / side;
  parallel_for(batch * strips, rows_worth_a_thread(side * columns), [&](Index first, Index last) {
    for (Index s = first; s < last; ++s) {
      const T* from = x + s / strips * rows * columns;
      T* to = out + s / strips * rows * columns;
      const Index r0 = s % strips * side, r1 = std::min(r0 + side, rows);
      for (Index c0 = 0; c0 < columns; c0 += side) {
        const Index c1 = std::min(c0 + side, columns);
        for (Index c = c0; c < c1; ++c)
          for (Index r = r0; r < r1; ++r) to[c * rows + r] = from[r * columns + c];
      }
    }
  });
}

}  // namespace

template <class T> void permute(const T* x, const Shape& shape, std::span<const std::size_t> axes, T* out) {
  if (shape.numel() == 0) return;
  // Axes that stay neighbours move as one.
  std::array<Index, Shape::max_axes> sizes{}, strides{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = axes[i];
    if (shape[axis] == 1) continue;
    const Index stride = shape.product(axis + 1, shape.size());
    if (count > 0 && strides[count - 1] == stride * shape[axis]) {
      sizes[count - 1] *= shape[axis];
      strides[count - 1] = stride;
    } else {
      sizes[count] = shape[axis];
      strides[count] = stride;
      ++count;
    }
  }
  const Index n = shape.numel();
  if (count <= 1) {
    std::memcpy(out, x, std::size_t(n) * sizeof(T));
    return;
  }
  if (count == 2) return transpose_blocks(x, out, 1, sizes[1], sizes[0]);
  if (count == 3 && strides[0] > strides[2] && strides[1] == 1) return transpose_blocks(x, out, sizes[0], sizes[2], sizes[1]);
  const Index row = sizes[count - 1], step = strides[count - 1];
  parallel_for(n / row, rows_worth_a_thread(row), [&](Index first, Index last) {
    for (Index r = first; r < last; ++r) {
      Index rest = r, offset = 0;
      for (std::size_t i = count - 1; i-- > 0;) {
        offset += rest % sizes[i] * strides[i];
        rest /= sizes[i];
      }
      T* to = out + r * row;
      if (step == 1)
        std::memcpy(to, x + offset, std::size_t(row) * sizeof(T));
      else
        for (Index i = 0; i < row; ++i) to[i] = x[offset + i * step];
    }
  });
}

template <class T>
void take_slice(const T* x, T* out, Index outer, Index n, Index inner, Index start, Index step, Index count) {
  if (count == 0 || inner == 0) return;
  parallel_for(outer, rows_worth_a_thread(count * inner), [&](Index first, Index last) {
    for (Index o = first; o < last; ++o) {
      const T* from = x + (o * n + start) * inner;
      T* to = out + o * count * inner;
      if (step == 1)
        std::memcpy(to, from, std::size_t(count * inner) * sizeof(T));
      else if (inner == 1)
        for (Index j = 0; j < count; ++j) to[j] = from[j * step];
      else
        for (Index j = 0; j < count; ++j) std::memcpy(to + j * inner, from + j * step * inner, std::size_t(inner) * sizeof(T));
    }
  });
}

template <class T>
void put_slice(const T* x, T* out, Index outer, Index n, Index inner, Index start, Index step, Index count) {
  if (count == 0 || inner == 0) return;
  parallel_for(outer, rows_worth_a_thread(count * inner), [&](Index first, Index last) {
    for (Index o = first; o < last; ++o) {
      const T* from = x + o * count * inner;
      T* to = out + (o * n + start) * inner;
      if (step == 1)
        std::memcpy(to, from, std::size_t(count * inner) * sizeof(T));
      else if (inner == 1)
        for (Index j = 0; j < count; ++j) to[j * step] = from[j];
      else
        for (Index j = 0; j < count; ++j) std::memcpy(to + j * step * inner, from + j * inner, std::size_t(inner) * sizeof(T));
    }
  });
}

template <class T>
void add_slice(const T* x, T* out, Index outer, Index n, Index inner, Index start, Index step, Index count) {
  parallel_for(outer, rows_worth_a_thread(count * inner), [&](Index first, Index last) {
    for (Index o = first; o < last; ++o)
      for (Index j = 0; j < count; ++j) {
        const T* from = x + (o * count + j) * inner;
        T* to = out + (o * n + start + j * step) * inner;
        for (Index i = 0; i < inner; ++i) to[i] = wrapping_add(to[i], from[i]);
      }
  });
}

template <class T> void expand(const T* x, const Shape& from, T* out, const Shape& to) {
  if (to.numel() == 0) return;
  const BroadcastPlan<1> plan(to, {&from});
  const bool moves = plan.advances(0);
  const Index row = plan.inner();
  if (plan.outer() == 1 && !moves) {
    parallel_for(row, elementwise_grain, [&](Index first, Index last) { std::fill(out + first, out + last, *x); });
    return;
  }
  plan.for_each_row([&](const std::array<Index, 1>& offset, Index position) {
    const T* source = x + offset[0];
    T* target = out + position;
    if (moves)
      std::memcpy(target, source, std::size_t(row) * sizeof(T));
    else
      std::fill(target, target + row, *source);
  });
}

template <class T>
void index_select(const T* x, const std::int64_t* indices, T* out, Index outer, Index n, Index inner, Index count) {
  parallel_for(outer * count, rows_worth_a_thread(inner), [&](Index first, Index last) {
    for (Index r = first; r < last; ++r) {
      const Index o = r / count, j = r % count;
      const T* from = x + (o * n + indices[j]) * inner;
      if (inner == 1)
        out[r] = *from;
      else if (inner > 0)
        std::memcpy(out + r * inner, from, std::size_t(inner) * sizeof(T));
    }
  });
}

template <class T>
void index_add(const T* x, const std::int64_t* indices, T* out, Index outer, Index n, Index inner, Index count) {
  // Two indices may name the same row, so a thread owns whole outer parts, or columns of the inner one.
  const auto add_columns = [&](Index o, Index first, Index last) {
    for (Index j = 0; j < count; ++j) {
      const T* from = x + (o * count + j) * inner;
      T* to = out + (o * n + indices[j]) * inner;
      for (Index i = first; i < last; ++i) to[i] = wrapping_add(to[i], from[i]);
    }
  };
  if (outer == 1) {
    parallel_for(inner, std::max<Index>(16, rows_worth_a_thread(count)), [&](Index first, Index last) { add_columns(0, first, last); });
    return;
  }
  parallel_for(outer, rows_worth_a_thread(count * inner), [&](Index first, Index last) {
    for (Index o = first; o < last; ++o) add_columns(o, 0, inner);
  });
}

template <class T>
void gather(const T* x, const std::int64_t* indices, T* out, Index outer, Index n, Index inner, Index count) {
  parallel_for(outer * count, rows_worth_a_thread(inner), [&](Index first, Index last) {
    for (Index r = first; r < last; ++r) {
      const T* from = x + r / count * n * inner;
      for (Index i = 0; i < inner; ++i) out[r * inner + i] = from[indices[r * inner + i] * inner + i];
    }
  });
}

template <class T>
void scatter_add(const T* x, const std::int64_t* indices, T* out, Index outer, Index n, Index inner, Index count) {
  parallel_for(outer, rows_worth_a_thread(count * inner), [&](Index first, Index last) {
    for (Index r = first * count; r < last * count; ++r) {
      T* to = out + r / count * n * inner;
      for (Index i = 0; i < inner; ++i) {
        T& place = to[indices[r * inner + i] * inner + i];
        place = wrapping_add(place, x[r * inner + i]);
      }
    }
  });
}

template <class T> void triangle(const T* x, T* out, Index batch, Index rows, Index columns, Index diagonal, bool lower) {
  if (columns == 0) return;
  diagonal = std::clamp<Index>(diagonal, -rows - 1, columns + 1);  // beyond that nothing changes, and sums cannot overflow
  parallel_for(batch * rows, rows_worth_a_thread(columns), [&](Index first, Index last) {
    for (Index r = first; r < last; ++r) {
      const T* from = x + r * columns;
      T* to = out + r * columns;
      const Index edge = std::clamp<Index>(r % rows + diagonal + (lower ? 1 : 0), 0, columns);
      if (lower) {
        std::copy(from, from + edge, to);
        std::fill(to + edge, to + columns, T(0));
      } else {
        std::fill(to, to + edge, T(0));
        std::copy(from + edge, from + columns, to + edge);
      }
    }
  });
}

#define GRADUS_INSTANTIATE(T)                                                                \
  template void permute(const T*, const Shape&, std::span<const std::size_t>, T*);           \
  template void take_slice(const T*, T*, Index, Index, Index, Index, Index, Index);          \
  template void put_slice(const T*, T*, Index, Index, Index, Index, Index, Index);           \
  template void add_slice(const T*, T*, Index, Index, Index, Index, Index, Index);           \
  template void expand(const T*, const Shape&, T*, const Shape&);                            \
  template void index_select(const T*, const std::int64_t*, T*, Index, Index, Index, Index); \
  template void index_add(const T*, const std::int64_t*, T*, Index, Index, Index, Index);    \
  template void gather(const T*, const std::int64_t*, T*, Index, Index, Index, Index);       \
  template void scatter_add(const T*, const std::int64_t*, T*, Index, Index, Index, Index);  \
  template void triangle(const T*, T*, Index, Index, Index, Index, bool);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)
GRADUS_INSTANTIATE(std::int64_t)

}  // namespace gradus::kernels
