#include "gradus/kernels/attention.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/core/simd_math.hpp"
#include "gradus/kernels/blas.hpp"
#include "gradus/kernels/row_batches.hpp"

namespace gradus::kernels {
namespace {

using simd::Batch;

// Queries whose scores are computed together. More make better products, fewer skip more of what a causal head does not
// see.
constexpr Index strip = 64;

// One head of one sequence, and how it lies in memory.
template <class T>
struct Head {
  const SelfAttention& s;
  T scale;
  Index n, head;

  Index row_in() const { return 3 * s.heads * s.width; }
  Index row_out() const { return s.heads * s.width; }
  // Of queries (0), keys (1) or values (2), at a place.
  Index in(Index part, Index place) const {
    return (n * s.length + place) * row_in() + (part * s.heads + head) * s.width;
  }
  Index out(Index place) const { return (n * s.length + place) * row_out() + head * s.width; }
  // Of the largest score, and 1 / the sum of exponentials.
  Index sum(Index place) const { return 2 * ((n * s.heads + head) * s.length + place); }

  // The places that a strip, or one place of it, sees.
  Index seen(Index last) const { return s.causal ? last : s.length; }

  // scores (rows, columns) = rows of a times rows of b
  void scores(const T* a, Index a_row, const T* b, Index rows, Index columns, T* to) const {
    gemm_part(false, true, rows, columns, s.width, a, a_row, b, row_in(), T(0), to, columns);
  }
};

template <class T, class Body>
void for_each_head(const SelfAttention& s, T scale, Index workspaces, Body&& body) {
  parallel_for(s.batch * s.heads, 1, [&](Index first, Index last) {
    std::vector<T> work(static_cast<std::size_t>(workspaces * std::min(strip, s.length) * s.length));
    for (Index i = first; i < last; ++i) body(Head<T>{s, scale, i / s.heads, i % s.heads}, work.data());
  });
}

// exp(scale (x - top)) in place for the first `seen` of a row, 0 for the others; their sum.
template <class T>
double exponentials(T* x, Index seen, Index columns, T scale, T top) {
  Batch<T> sum(T(0));
  double total = 0;
  for_each_batch<T>(seen, [&](Index j, int count) {
    const Batch<T> e = exp(Batch<T>(scale) * (load(x + j, count) - Batch<T>(top)));
    store(e, x + j, count);
    if (count == Batch<T>::size)
      sum += e;
    else
      for (int lane = 0; lane < count; ++lane) total += double(e[lane]);
  });
  std::fill(x + seen, x + columns, T(0));
  return total + sum_of(sum);
}

}  // namespace

template <class T>
void self_attention(const SelfAttention& s, T scale, const T* qkv, T* y, T* sums) {
  for_each_head(s, scale, 1, [&](const Head<T>& h, T* p) {
    for (Index first = 0; first < s.length; first += strip) {
      const Index last = std::min(s.length, first + strip), rows = last - first, columns = h.seen(last);
      h.scores(qkv + h.in(0, first), h.row_in(), qkv + h.in(1, 0), rows, columns, p);
      for (Index i = 0; i < rows; ++i) {
        T* row = p + i * columns;
        const Index seen = h.seen(first + i + 1);
        constexpr T none = -std::numeric_limits<T>::infinity();
        Batch<T> most(none);
        for_each_batch<T>(seen, [&](Index j, int count) { most = max(most, load(row + j, count, none)); });
        const T top = reduce_max(most);
        const double total = exponentials(row, seen, columns, scale, top);
        const Batch<T> factor(T(1 / total));
        for_each_batch<T>(seen, [&](Index j, int count) { store(factor * load(row + j, count), row + j, count); });
        T* const of_row = sums + h.sum(first + i);
        of_row[0] = top;
        of_row[1] = T(1 / total);
      }
      gemm_part(false, false, rows, s.width, columns, p, columns, qkv + h.in(2, 0), h.row_in(), T(0),
                y + h.out(first), h.row_out());
    }
  });
}

template <class T>
void self_attention_backward(const SelfAttention& s, T scale, const T* qkv, const T* sums, const T* g, T* dqkv) {
  for_each_head(s, scale, 2, [&](const Head<T>& h, T* p) {
    T* slopes = p + std::min(strip, s.length) * s.length;
    // The first strip of a causal head sees a part of the keys only, so that their gradients start at 0.
    for (Index place = 0; place < s.length; ++place)
      for (const Index part : {1, 2}) std::fill_n(dqkv + h.in(part, place), s.width, T(0));
    for (Index first = 0; first < s.length; first += strip) {
      const Index last = std::min(s.length, first + strip), rows = last - first, columns = h.seen(last);
      const T *q = qkv + h.in(0, first), *k = qkv + h.in(1, 0), *v = qkv + h.in(2, 0), *up = g + h.out(first);
      h.scores(q, h.row_in(), k, rows, columns, p);
      h.scores(up, h.row_out(), v, rows, columns, slopes);
      for (Index i = 0; i < rows; ++i) {
        T *weights = p + i * columns, *slope = slopes + i * columns;
        const Index seen = h.seen(first + i + 1);
        const T* of_row = sums + h.sum(first + i);
        const Batch<T> factor(scale), top(of_row[0]), share(of_row[1]);
        Batch<T> sum(T(0));
        for_each_batch<T>(seen, [&](Index j, int count) {
          const Batch<T> e = share * exp(factor * (load(weights + j, count, of_row[0]) - top));
          store(e, weights + j, count);
          // Lanes beyond the row's end have a slope of 0.
          sum += e * load(slope + j, count);
        });
        const Batch<T> mean(T(sum_of(sum)));
        for_each_batch<T>(seen, [&](Index j, int count) {
          store(factor * load(weights + j, count) * (load(slope + j, count) - mean), slope + j, count);
        });
        std::fill(weights + seen, weights + columns, T(0));
        std::fill(slope + seen, slope + columns, T(0));
      }
      gemm_part(false, false, rows, s.width, columns, slopes, columns, k, h.row_in(), T(0), dqkv + h.in(0, first),
                h.row_in());
      gemm_part(true, false, columns, s.width, rows, slopes, columns, q, h.row_in(), T(1), dqkv + h.in(1, 0), h.row_in());
      gemm_part(true, false, columns, s.width, rows, p, columns, up, h.row_out(), T(1), dqkv + h.in(2, 0), h.row_in());
    }
  });
}

#define GRADUS_INSTANTIATE(T)                                              \
  template void self_attention(const SelfAttention&, T, const T*, T*, T*); \
  template void self_attention_backward(const SelfAttention&, T, const T*, const T*, const T*, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
