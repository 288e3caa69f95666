#include "gradus/kernels/reduce.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/broadcast.hpp"

namespace gradus::kernels {
namespace {

// Sums are carried in double (integers in themselves): a float sum of 2e7 times 0.1 added up in float is off by 5 percent.
template <class T> using Sum = std::conditional_t<std::is_same_v<T, float>, double, T>;

template <class T> struct SumOp {
  using Value = Sum<T>;
  static constexpr Value identity = 0;
  static Value join(Value a, Value b) {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    else
      return a + b;
  }
};
template <class T> struct ProdOp {
  using Value = Sum<T>;
  static constexpr Value identity = 1;
  static Value join(Value a, Value b) {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    else
      return a * b;
  }
};
template <class T> struct MaxOp {
  using Value = T;
  static constexpr Value identity = std::is_integral_v<T> ? std::numeric_limits<T>::min() : -std::numeric_limits<T>::infinity();
  static Value join(Value a, Value b) { return a != a ? a : (b != b ? b : (a > b ? a : b)); }
};
template <class T> struct MinOp {
  using Value = T;
  static constexpr Value identity = std::is_integral_v<T> ? std::numeric_limits<T>::max() : std::numeric_limits<T>::infinity();
  static Value join(Value a, Value b) { return a != a ? a : (b != b ? b : (a < b ? a : b)); }
};

constexpr Index lanes = 16;
constexpr Index block = 16384;  // elements of a long row that make one partial result

// A row, with independent partial results so that the compiler can use vector units.
template <class Op, class T> typename Op::Value reduce_row(const T* x, Index n) {
  typename Op::Value partial[lanes];
  std::fill(partial, partial + lanes, Op::identity);
  Index i = 0;
  for (; i + lanes <= n; i += lanes)
    for (Index lane = 0; lane < lanes; ++lane) partial[lane] = Op::join(partial[lane], x[i + lane]);
  for (Index lane = 0; i < n; ++i, ++lane) partial[lane] = Op::join(partial[lane], x[i]);
  for (Index width = lanes / 2; width > 0; width /= 2)
    for (Index lane = 0; lane < width; ++lane) partial[lane] = Op::join(partial[lane], partial[lane + width]);
  return partial[0];
}

template <class Op, class T> void reduce_with(const T* x, T* out, Index outer, Index n, Index inner) {
  using Value = typename Op::Value;
  if (inner == 1) {
    if (outer == 1 && n > block) {
      const Index blocks = (n + block - 1) / block;
      std::vector<Value> partial(static_cast<std::size_t>(blocks));
      parallel_for(blocks, 4, [&](Index first, Index last) {
        for (Index b = first; b < last; ++b)
          partial[std::size_t(b)] = reduce_row<Op>(x + b * block, std::min(block, n - b * block));
      });
      Value total = Op::identity;
      for (const Value& value : partial) total = Op::join(total, value);
      *out = static_cast<T>(total);
      return;
    }
    parallel_for(outer, std::max<Index>(1, elementwise_grain / std::max<Index>(n, 1)), [&](Index first, Index last) {
      for (Index o = first; o < last; ++o) out[o] = static_cast<T>(reduce_row<Op>(x + o * n, n));
    });
    return;
  }
  // Columns: a strip of them at a time, walking down the rows.
  constexpr Index strip = 256;
  const Index strips = (inner + strip - 1) / strip;
  parallel_for(outer * strips, std::max<Index>(1, elementwise_grain / std::max<Index>(n * std::min(inner, strip), 1)),
               [&](Index first, Index last) {
                 Value total[strip];
                 for (Index s = first; s < last; ++s) {
                   const Index o = s / strips, start = s % strips * strip, width = std::min(strip, inner - start);
                   const T* column = x + o * n * inner + start;
                   std::fill(total, total + width, Op::identity);
                   for (Index k = 0; k < n; ++k)
                     for (Index i = 0; i < width; ++i) total[i] = Op::join(total[i], column[k * inner + i]);
                   for (Index i = 0; i < width; ++i) out[o * inner + start + i] = static_cast<T>(total[i]);
                 }
               });
}

}  // namespace

template <class T> void reduce(ReduceOp op, const T* x, T* out, Index outer, Index n, Index inner) {
  switch (op) {
    case ReduceOp::sum: return reduce_with<SumOp<T>>(x, out, outer, n, inner);
    case ReduceOp::prod: return reduce_with<ProdOp<T>>(x, out, outer, n, inner);
    case ReduceOp::maximum: return reduce_with<MaxOp<T>>(x, out, outer, n, inner);
    case ReduceOp::minimum: return reduce_with<MinOp<T>>(x, out, outer, n, inner);
  }
}

template <class T> void arg_extreme(bool largest, const T* x, std::int64_t* out, Index outer, Index n, Index inner) {
  parallel_for(outer * inner, std::max<Index>(1, elementwise_grain / n), [&](Index first, Index last) {
    for (Index p = first; p < last; ++p) {
      const T* row = x + p / inner * n * inner + p % inner;
      Index best = 0;
      for (Index k = 1; k < n && row[best * inner] == row[best * inner]; ++k) {
        const T value = row[k * inner];
        if (value != value || (largest ? value > row[best * inner] : value < row[best * inner])) best = k;
      }
      out[p] = best;
    }
  });
}

template <class T> void cumsum(const T* x, T* out, Index outer, Index n, Index inner, bool reverse) {
  parallel_for(outer * inner, std::max<Index>(1, elementwise_grain / std::max<Index>(n, 1)), [&](Index first, Index last) {
    for (Index p = first; p < last; ++p) {
      const Index start = p / inner * n * inner + p % inner;
      typename SumOp<T>::Value total = 0;
      for (Index k = 0; k < n; ++k) {
        const Index at = start + (reverse ? n - 1 - k : k) * inner;
        total = SumOp<T>::join(total, x[at]);
        out[at] = static_cast<T>(total);
      }
    }
  });
}

template <class T> void moments(const T* x, T* mean, T* squares, Index outer, Index n, Index inner) {
  constexpr Index strip = 256;
  const Index width_limit = inner == 1 ? 1 : strip, strips = (inner + width_limit - 1) / width_limit;
  parallel_for(outer * strips, std::max<Index>(1, elementwise_grain / std::max<Index>(n * std::min(inner, strip), 1)),
               [&](Index first, Index last) {
                 double average[strip], total[strip];
                 for (Index s = first; s < last; ++s) {
                   const Index o = s / strips, start = s % strips * width_limit, width = std::min(width_limit, inner - start);
                   const T* column = x + o * n * inner + start;
                   if (inner == 1) {
                     average[0] = double(reduce_row<SumOp<T>>(column, n)) / double(n);
                     double partial[lanes] = {};
                     Index k = 0;
                     for (; k + lanes <= n; k += lanes)
                       for (Index lane = 0; lane < lanes; ++lane) {
                         const double d = double(column[k + lane]) - average[0];
                         partial[lane] += d * d;
                       }
                     for (; k < n; ++k) {
                       const double d = double(column[k]) - average[0];
                       partial[0] += d * d;
                     }
                     total[0] = reduce_row<SumOp<double>>(partial, lanes);
                   } else {
                     std::fill(average, average + width, 0.0);
                     for (Index k = 0; k < n; ++k)
                       for (Index i = 0; i < width; ++i) average[i] += double(column[k * inner + i]);
                     for (Index i = 0; i < width; ++i) average[i] /= double(n);
                     std::fill(total, total + width, 0.0);
                     for (Index k = 0; k < n; ++k)
                       for (Index i = 0; i < width; ++i) {
                         const double d = double(column[k * inner + i]) - average[i];
                         total[i] += d * d;
                       }
                   }
                   for (Index i = 0; i < width; ++i) {
                     if (mean != nullptr) mean[o * inner + start + i] = T(average[i]);
                     if (squares != nullptr) squares[o * inner + start + i] = T(total[i]);
                   }
                 }
               });
}

#define GRADUS_INSTANTIATE(T)                                                            \
  template void reduce(ReduceOp, const T*, T*, Index, Index, Index);                     \
  template void arg_extreme(bool, const T*, std::int64_t*, Index, Index, Index);         \
  template void cumsum(const T*, T*, Index, Index, Index, bool);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)
GRADUS_INSTANTIATE(std::int64_t)
template void moments(const float*, float*, float*, Index, Index, Index);
template void moments(const double*, double*, double*, Index, Index, Index);

}  // namespace gradus::kernels
