#include "gradus/kernels/softmax.hpp"

#include <algorithm>
#include <cmath>

#include "gradus/core/parallel.hpp"
#include "gradus/core/simd_math.hpp"
#include "gradus/kernels/broadcast.hpp"

namespace gradus::kernels {
namespace {

using simd::Batch;

// Rows cost a few exponentials' worth of additions per element.
Index rows_worth_a_thread(Index n) { return std::max<Index>(1, elementwise_grain / 4 / std::max<Index>(n, 1)); }

// body(row start, stride between the elements of the row) for each of the outer * inner rows.
template <class Body> void for_each_row(Index outer, Index n, Index inner, Body&& body) {
  if (n == 0) return;
  parallel_for(outer * inner, rows_worth_a_thread(n), [&](Index first, Index last) {
    for (Index r = first; r < last; ++r) body(r / inner * n * inner + r % inner);
  });
}

template <class T> T largest(const T* x, Index n) {
  constexpr Index size = Batch<T>::size;
  T result = x[0];
  Index i = 0;
  if (n >= size) {
    Batch<T> best = Batch<T>::load(x);
    for (i = size; i + size <= n; i += size) best = max(best, Batch<T>::load(x + i));
    for (int lane = 0; lane < size; ++lane) result = std::max(result, best[lane]);
  }
  for (; i < n; ++i) result = std::max(result, x[i]);
  return result;
}

// out = exp(x - shift); returns the sum, in double. `out` may be null when only the sum is wanted.
template <class T> double exponentials(const T* x, T shift, T* out, Index n) {
  constexpr Index size = Batch<T>::size;
  constexpr Index run = 64;  // batches between two trips of the partial sums to double
  double total = 0;
  const Batch<T> s(shift);
  for (Index i = 0; i < n;) {
    Batch<T> sum(T(0));
    for (Index stop = std::min(n, i + run * size); i < stop;) {
      if (i + size <= n) {
        const Batch<T> e = exp(Batch<T>::load(x + i) - s);
        if (out != nullptr) e.store(out + i);
        sum += e;
        i += size;
      } else {
        const int rest = int(n - i);
        const Batch<T> e = exp(Batch<T>::load_partial(x + i, rest, -std::numeric_limits<T>::infinity()) - s);
        if (out != nullptr) e.store_partial(out + i, rest);
        sum += e;
        i = n;
      }
    }
    for (int lane = 0; lane < size; ++lane) total += double(sum[lane]);
  }
  return total;
}

}  // namespace

template <class T> void softmax(const T* x, T* out, Index outer, Index n, Index inner) {
  if (inner == 1) {
    for_each_row(outer, n, 1, [&](Index at) {
      const T scale = T(1 / exponentials(x + at, largest(x + at, n), out + at, n));
      for (Index k = 0; k < n; ++k) out[at + k] *= scale;
    });
    return;
  }
  for_each_row(outer, n, inner, [&](Index at) {
    T top = x[at];
    for (Index k = 1; k < n; ++k) top = std::max(top, x[at + k * inner]);
    double total = 0;
    for (Index k = 0; k < n; ++k) total += double(out[at + k * inner] = std::exp(x[at + k * inner] - top));
    for (Index k = 0; k < n; ++k) out[at + k * inner] = T(out[at + k * inner] / total);
  });
}

template <class T> void log_softmax(const T* x, T* out, Index outer, Index n, Index inner) {
  if (inner == 1) {
    for_each_row(outer, n, 1, [&](Index at) {
      const T top = largest(x + at, n);
      const T rest = T(std::log(exponentials<T>(x + at, top, nullptr, n)));
      for (Index k = 0; k < n; ++k) out[at + k] = x[at + k] - top - rest;
    });
    return;
  }
  for_each_row(outer, n, inner, [&](Index at) {
    T top = x[at];
    for (Index k = 1; k < n; ++k) top = std::max(top, x[at + k * inner]);
    double total = 0;
    for (Index k = 0; k < n; ++k) total += std::exp(double(x[at + k * inner] - top));
    const T rest = T(std::log(total));
    for (Index k = 0; k < n; ++k) out[at + k * inner] = x[at + k * inner] - top - rest;
  });
}

template <class T> void softmax_backward(const T* y, const T* g, T* out, Index outer, Index n, Index inner) {
  for_each_row(outer, n, inner, [&](Index at) {
    double total = 0;
    for (Index k = 0; k < n; ++k) total += double(y[at + k * inner]) * double(g[at + k * inner]);
    for (Index k = 0; k < n; ++k) out[at + k * inner] = y[at + k * inner] * (g[at + k * inner] - T(total));
  });
}

template <class T> void log_softmax_backward(const T* y, const T* g, T* out, Index outer, Index n, Index inner) {
  for_each_row(outer, n, inner, [&](Index at) {
    double total = 0;
    for (Index k = 0; k < n; ++k) total += double(g[at + k * inner]);
    for (Index k = 0; k < n; ++k) out[at + k * inner] = g[at + k * inner] - std::exp(y[at + k * inner]) * T(total);
  });
}

#define GRADUS_INSTANTIATE(T)                                                             \
  template void softmax(const T*, T*, Index, Index, Index);                               \
  template void log_softmax(const T*, T*, Index, Index, Index);                           \
  template void softmax_backward(const T*, const T*, T*, Index, Index, Index);            \
  template void log_softmax_backward(const T*, const T*, T*, Index, Index, Index);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
