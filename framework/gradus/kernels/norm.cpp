#include "gradus/kernels/norm.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/core/simd_math.hpp"
#include "gradus/kernels/broadcast.hpp"
#include "gradus/kernels/row_batches.hpp"

namespace gradus::kernels {
namespace {

using simd::Batch;

constexpr Index lanes = 16;

Index grain_of(Index n) { return std::max<Index>(1, elementwise_grain / 4 / std::max<Index>(n, 1)); }

// Sum of term(i) for i < n, in double, with independent partial sums so that the compiler can use vector units.
template <class Term>
double sum_of(Index n, Term&& term) {
  double partial[lanes] = {};
  Index i = 0;
  for (; i + lanes <= n; i += lanes)
    for (Index lane = 0; lane < lanes; ++lane) partial[lane] += term(i + lane);
  for (Index lane = 0; i < n; ++i, ++lane) partial[lane] += term(i);
  for (Index width = lanes / 2; width > 0; width /= 2)
    for (Index lane = 0; lane < width; ++lane) partial[lane] += partial[lane + width];
  return partial[0];
}

// Sums of up to N terms of batches, side by side: in T for a run of batches, then in double.
template <class T, int N>
struct Sums {
  static constexpr Index run = 16;
  double totals[N][Batch<T>::size] = {};
  Batch<T> partial[N];

  Sums() { clear(); }
  void clear() { std::fill(partial, partial + N, Batch<T>(0)); }
  void flush() {
    for (int k = 0; k < N; ++k) {
      alignas(Batch<T>::alignment) T lanes_of[Batch<T>::size];
      partial[k].store_aligned(lanes_of);
      for (int lane = 0; lane < Batch<T>::size; ++lane) totals[k][lane] += double(lanes_of[lane]);
    }
    clear();
  }
  double total(int k) const {
    double sums[Batch<T>::size];
    for (int lane = 0; lane < Batch<T>::size; ++lane) sums[lane] = totals[k][lane];
    for (int width = Batch<T>::size / 2; width > 0; width /= 2)
      for (int lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
    return sums[0];
  }
};

// Asks for what is read soon. Rows are read twice or thrice in a row, so without it memory would have nothing to do the
// second time.
template <class T>
void fetch(const T* from) {
  __builtin_prefetch(from, 0, 2);
}

// visit(i, count) for the batches of a row; after every run of them, and at the end, the sums go to double.
template <class T, int N, class Visit>
void sum_batches(Index n, Sums<T, N>& sums, Visit&& visit) {
  constexpr Index run = Batch<T>::size * Sums<T, N>::run;
  for (Index start = 0; start < n; start += run) {
    for_each_batch<T>(std::min(run, n - start), [&](Index i, int count) { visit(start + i, count); });
    sums.flush();
  }
}

// Rows are summed in blocks: their number depends on the number of rows alone, so the order of the additions does as
// well. Within a block, a few rows at a time go through together, so that their columns' sums travel once for all.
constexpr Index most_blocks = 16;
Index rows_of_block(Index rows) { return std::max<Index>(16, (rows + most_blocks - 1) / most_blocks); }

template <class T>
void add(const T* terms, double* sums, Index n) {
  for (Index i = 0; i < n; ++i) sums[i] += double(terms[i]);
}

template <class T>
struct NormBackward {
  const T *g, *x, *weight, *mean, *rstd;
  T* dx;
  Index n, all_rows;

  // R rows from `row` on; their columns' sums are added to to_weight and to_bias, where these are not null.
  template <int R>
  void rows(Index row, T* to_weight, T* to_bias) const {
    using V = Batch<T>;
    const T *in = x + row * n, *up = g + row * n;
    T centre[R], scale[R], average[R], slope[R];
    for (int r = 0; r < R; ++r) {
      centre[r] = mean != nullptr ? mean[row + r] : T(0);
      scale[r] = rstd[row + r];
    }
    Sums<T, 2 * R> sums;  // of q = g weight, and of q h with h = (x - mean) rstd
    sum_batches(n, sums, [&](Index i, int count) {
      const V w = weight != nullptr ? load(weight + i, count) : V(1);
      V column_g(0), column_gh(0);
      for (int r = 0; r < R; ++r) {
        const V gr = load(up + r * n + i, count);
        const V gh = gr * ((load(in + r * n + i, count) - V(centre[r])) * V(scale[r]));
        column_g += gr;
        column_gh += gh;
        sums.partial[r] += gr * w;
        sums.partial[R + r] += gh * w;
      }
      if (to_bias != nullptr) store(load(to_bias + i, count) + column_g, to_bias + i, count);
      if (to_weight != nullptr) store(load(to_weight + i, count) + column_gh, to_weight + i, count);
    });
    if (dx == nullptr) return;
    T* out = dx + row * n;
    // The rows that come next, if any, arrive while these are worked on.
    const Index ahead = row + 2 * R <= all_rows ? n : 0;
    const T *next_in = in + R * ahead, *next_up = up + R * ahead;
    for (int r = 0; r < R; ++r) {
      average[r] = mean == nullptr ? T(0) : T(sums.total(r) / double(n));
      slope[r] = T(sums.total(R + r) / double(n));
    }
    for (int r = 0; r < R; ++r) {
      const V m(centre[r]), s(scale[r]), a(average[r]), b(slope[r]);
      for_each_batch<T>(n, [&](Index i, int count) {
        fetch(next_in + r * ahead + i);
        fetch(next_up + r * ahead + i);
        const V gr = load(up + r * n + i, count), q = weight != nullptr ? gr * load(weight + i, count) : gr;
        store(s * (q - a - (load(in + r * n + i, count) - m) * s * b), out + r * n + i, count);
      });
    }
  }
};

}  // namespace

template <class T>
void layer_norm(const T* x, const T* weight, const T* bias, double eps, T* y, T* mean, T* rstd, Index rows, Index n) {
  using V = Batch<T>;
  parallel_for(rows, grain_of(n), [&](Index first, Index last) {
    for (Index r = first; r < last; ++r) {
      const T* in = x + r * n;
      T* out = y + r * n;
      double average = 0;
      if (mean != nullptr) {
        Sums<T, 1> sum;
        sum_batches(n, sum, [&](Index i, int count) { sum.partial[0] += load(in + i, count); });
        average = sum.total(0) / double(n);
      }
      const T m = T(average);
      Sums<T, 1> squares;
      sum_batches(n, squares, [&](Index i, int count) {
        const V d = load(in + i, count, m) - V(m);
        squares.partial[0] += d * d;
      });
      // The squares are those around m, the average rounded.
      const double off = average - double(m), variance = squares.total(0) / double(n) - off * off;
      const T s = T(1 / std::sqrt(std::max(0.0, variance) + eps));
      if (mean != nullptr) mean[r] = m;
      rstd[r] = s;
      const T* next = r + 1 < last ? in + n : in;  // arrives while this row is worked on
      for_each_batch<T>(n, [&](Index i, int count) {
        fetch(next + i);
        V h = (load(in + i, count) - V(m)) * V(s);
        if (weight != nullptr) h = h * load(weight + i, count);
        if (bias != nullptr) h = h + load(bias + i, count);
        store(h, out + i, count);
      });
    }
  });
}

template <class T>
void layer_norm_backward(const T* g, const T* x, const T* weight, const T* mean, const T* rstd, T* dx, T* dweight,
                         T* dbias, Index rows, Index n) {
  const NormBackward<T> kernel{g, x, weight, mean, rstd, dx, n, rows};
  const Index block = rows_of_block(rows), blocks = (rows + block - 1) / block;
  const std::size_t width = std::size_t(n);
  std::vector<double> weight_sums(dweight != nullptr ? std::size_t(blocks) * width : 0);
  std::vector<double> bias_sums(dbias != nullptr ? std::size_t(blocks) * width : 0);
  parallel_for(blocks, std::max<Index>(1, grain_of(n) / block), [&](Index first, Index last) {
    // The columns' sums of a few rows are in T.
    std::vector<T> some(2 * width);
    T* to_weight = dweight != nullptr ? some.data() : nullptr;
    T* to_bias = dbias != nullptr ? some.data() + width : nullptr;
    for (Index b = first; b < last; ++b)
      for (Index r = b * block; r < std::min(rows, (b + 1) * block);) {
        const Index stop = std::min({rows, (b + 1) * block, r + 64});
        std::fill(some.begin(), some.end(), T(0));
        for (; r + 4 <= stop; r += 4) kernel.template rows<4>(r, to_weight, to_bias);
        for (; r < stop; ++r) kernel.template rows<1>(r, to_weight, to_bias);
        if (to_weight != nullptr) add(to_weight, weight_sums.data() + std::size_t(b) * width, n);
        if (to_bias != nullptr) add(to_bias, bias_sums.data() + std::size_t(b) * width, n);
      }
  });
  const auto join = [&](const std::vector<double>& sums, T* out) {
    if (out == nullptr) return;
    for (Index i = 0; i < n; ++i) {
      double total = 0;
      for (Index b = 0; b < blocks; ++b) total += sums[std::size_t(b * n + i)];
      out[i] = T(total);
    }
  };
  join(weight_sums, dweight);
  join(bias_sums, dbias);
}

namespace {

// Some channels at a time: one, whose numbers lie in runs of `inner`; or, when inner is 1, neighbouring ones side by
// side.
constexpr Index strip = 64;

struct Strip {
  Index start, width;
};

template <class Body>
void for_each_strip(const Channels& s, Body&& body) {
  const Index width = s.inner == 1 ? std::min(strip, std::max<Index>(s.channels, 1)) : 1;
  const Index strips = (s.channels + width - 1) / width;
  parallel_for(strips, grain_of(s.count() * width), [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) body(Strip{i * width, std::min(width, s.channels - i * width)});
  });
}

// totals[k] = sum of term(place in x, k) over channel k of the strip, in double, for an inner size of 1.
template <class Term>
void sum_columns(const Channels& s, Strip c, double* totals, Term&& term) {
  std::fill(totals, totals + c.width, 0.0);
  for (Index n = 0; n < s.batch; ++n)
    for (Index k = 0; k < c.width; ++k) totals[k] += term(n * s.channels + c.start + k, k);
}

// visit(place in x, count) for the batches of a channel, which add to the sums.
template <class T, int N, class Visit>
void sum_channel(const Channels& s, Index channel, Sums<T, N>& sums, Visit&& visit) {
  for (Index n = 0; n < s.batch; ++n) {
    const Index at = (n * s.channels + channel) * s.inner;
    sum_batches(s.inner, sums, [&](Index i, int count) { visit(at + i, count); });
  }
}

// The average of each channel of the strip, and the average square of the distance from it.
template <class T>
void moments(const Channels& s, Strip c, const T* x, double* average, double* variance) {
  const double count = double(s.count());
  if (s.inner == 1) {
    sum_columns(s, c, average, [x](Index i, Index) { return double(x[i]); });
    for (Index k = 0; k < c.width; ++k) average[k] /= count;
    sum_columns(s, c, variance, [&](Index i, Index k) {
      const double d = double(x[i]) - average[k];
      return d * d;
    });
    for (Index k = 0; k < c.width; ++k) variance[k] /= count;
    return;
  }
  using V = Batch<T>;
  // One pass around a guess, the channel's first number, does unless that lies far outside of the others.
  const V guess(x[c.start * s.inner]);
  Sums<T, 2> both;
  sum_channel(s, c.start, both, [&](Index i, int n) {
    const V d = load(x + i, n, guess[0]) - guess;
    both.partial[0] += d;
    both.partial[1] = fma(d, d, both.partial[1]);
  });
  const double beside = both.total(0) / count;
  average[0] = double(guess[0]) + beside;
  variance[0] = both.total(1) / count - beside * beside;
  if (beside * beside <= 4 * variance[0] && variance[0] > 1e-25 && variance[0] < 1e25) return;
  Sums<T, 1> sum, squares;
  sum_channel(s, c.start, sum, [&](Index i, int n) { sum.partial[0] += load(x + i, n); });
  average[0] = sum.total(0) / count;
  // From the rounded average, which is then allowed for.
  const T centre = T(average[0]);
  sum_channel(s, c.start, squares, [&](Index i, int n) {
    const V d = load(x + i, n, centre) - V(centre);
    squares.partial[0] = fma(d, d, squares.partial[0]);
  });
  const double off = average[0] - double(centre);
  variance[0] = squares.total(0) / count - off * off;
  // Squares near the ends of T's range are summed again, in double.
  if (variance[0] > 1e-25 && variance[0] < 1e25) return;
  double total = 0;
  for (Index n = 0; n < s.batch; ++n) {
    const T* in = x + (n * s.channels + c.start) * s.inner;
    total += sum_of(s.inner, [&](Index i) {
      const double d = double(in[i]) - average[0];
      return d * d;
    });
  }
  variance[0] = total / count;
}

// The sums of g and of g h, with h = (x - centre) scale, over each channel of the strip.
template <class T>
void gradient_sums(const Channels& s, Strip c, const T* g, const T* x, const T* centre, const T* scale, double* sums,
                   double* products) {
  if (s.inner == 1) {
    sum_columns(s, c, sums, [g](Index i, Index) { return double(g[i]); });
    sum_columns(s, c, products, [&](Index i, Index k) { return double(g[i] * ((x[i] - centre[k]) * scale[k])); });
    return;
  }
  const Batch<T> middle(centre[0]), factor(scale[0]);
  Sums<T, 2> both;
  sum_channel(s, c.start, both, [&](Index i, int n) {
    const Batch<T> up = load(g + i, n);
    both.partial[0] += up;
    both.partial[1] = fma(up, (load(x + i, n) - middle) * factor, both.partial[1]);
  });
  sums[0] = both.total(0);
  products[0] = both.total(1);
}

// visit(place in x, k) for every element of a strip of channels that lie side by side; k is the channel's place in it.
template <class Visit>
void visit_columns(const Channels& s, Strip c, Visit&& visit) {
  for (Index n = 0; n < s.batch; ++n)
    for (Index k = 0, at = n * s.channels + c.start; k < c.width; ++k) visit(at + k, k);
}

// out = f(batch of a, batch of b) for a channel whose numbers lie in runs. b may be null, and f then gets 0. What the
// next channel needs, which lies behind, arrives meanwhile: this channel's numbers are in the cache already.
template <class T, class F>
void map_channel(const Channels& s, Index channel, const T* a, const T* b, T* out, F&& f) {
  for (Index n = 0; n < s.batch; ++n) {
    const Index at = (n * s.channels + channel) * s.inner;
    for_each_batch<T>(s.inner, [&](Index i, int count) {
      fetch(a + at + i + s.inner);
      if (b != nullptr) fetch(b + at + i + s.inner);
      store(f(load(a + at + i, count), b != nullptr ? load(b + at + i, count) : Batch<T>(0)), out + at + i, count);
    });
  }
}

template <class T>
void apply_strip(const Channels& s, Strip c, const T* x, const T* weight, const T* bias, const T* mean, const T* rstd,
                 T* y) {
  using V = Batch<T>;
  T centre[strip], scale[strip], shift[strip];
  for (Index k = 0; k < c.width; ++k) {
    centre[k] = mean[c.start + k];
    scale[k] = weight != nullptr ? rstd[c.start + k] * weight[c.start + k] : rstd[c.start + k];
    shift[k] = bias != nullptr ? bias[c.start + k] : T(0);
  }
  if (s.inner == 1)
    visit_columns(s, c, [&](Index i, Index k) { y[i] = (x[i] - centre[k]) * scale[k] + shift[k]; });
  else
    map_channel<T>(s, c.start, x, nullptr, y,
                   [m = V(centre[0]), a = V(scale[0]), b = V(shift[0])](V in, V) { return (in - m) * a + b; });
}

}  // namespace

template <class T>
void batch_norm(const Channels& s, const T* x, const T* weight, const T* bias, double eps, T* y, T* mean, T* variance,
                T* rstd) {
  for_each_strip(s, [&](Strip c) {
    double average[strip], squares[strip];
    moments(s, c, x, average, squares);
    for (Index k = 0; k < c.width; ++k) {
      mean[c.start + k] = T(average[k]);
      variance[c.start + k] = T(squares[k]);
      rstd[c.start + k] = T(1 / std::sqrt(squares[k] + eps));
    }
    apply_strip(s, c, x, weight, bias, mean, rstd, y);
  });
}

template <class T>
void batch_norm_apply(const Channels& s, const T* x, const T* weight, const T* bias, const T* mean, const T* rstd,
                      T* y) {
  for_each_strip(s, [&](Strip c) { apply_strip(s, c, x, weight, bias, mean, rstd, y); });
}

template <class T>
void batch_norm_backward(const Channels& s, const T* g, const T* x, const T* weight, const T* mean, const T* rstd,
                         bool constants, T* dx, T* dweight, T* dbias) {
  using V = Batch<T>;
  for_each_strip(s, [&](Strip c) {
    T centre[strip], scale[strip], average[strip], slope[strip];
    double sums[strip], products[strip];
    for (Index k = 0; k < c.width; ++k) {
      centre[k] = mean[c.start + k];
      scale[k] = rstd[c.start + k];
    }
    if (dbias != nullptr || dweight != nullptr || (dx != nullptr && !constants))
      gradient_sums(s, c, g, x, centre, scale, sums, products);
    if (dbias != nullptr)
      for (Index k = 0; k < c.width; ++k) dbias[c.start + k] = T(sums[k]);
    if (dweight != nullptr)
      for (Index k = 0; k < c.width; ++k) dweight[c.start + k] = T(products[k]);
    if (dx == nullptr) return;
    // The weight is the same for the whole channel, so it comes out of the averages.
    T factor[strip];
    for (Index k = 0; k < c.width; ++k) {
      factor[k] = weight != nullptr ? scale[k] * weight[c.start + k] : scale[k];
      average[k] = constants ? T(0) : T(sums[k] / double(s.count()));
      slope[k] = constants ? T(0) : T(products[k] / double(s.count())) * scale[k];
    }
    const V a(factor[0]), b(average[0]), d(slope[0]), m(centre[0]);
    if (s.inner == 1 && constants)
      visit_columns(s, c, [&](Index i, Index k) { dx[i] = factor[k] * g[i]; });
    else if (s.inner == 1)
      visit_columns(
          s, c, [&](Index i, Index k) { dx[i] = factor[k] * (g[i] - average[k] - (x[i] - centre[k]) * slope[k]); });
    else if (constants)
      map_channel<T>(s, c.start, g, nullptr, dx, [=](V up, V) { return a * up; });
    else
      map_channel<T>(s, c.start, g, x, dx, [=](V up, V in) { return a * (up - b - (in - m) * d); });
  });
}

#define GRADUS_INSTANTIATE(T)                                                                                        \
  template void layer_norm(const T*, const T*, const T*, double, T*, T*, T*, Index, Index);                          \
  template void layer_norm_backward(const T*, const T*, const T*, const T*, const T*, T*, T*, T*, Index, Index);     \
  template void batch_norm(const Channels&, const T*, const T*, const T*, double, T*, T*, T*, T*);                   \
  template void batch_norm_apply(const Channels&, const T*, const T*, const T*, const T*, const T*, T*);             \
  template void batch_norm_backward(const Channels&, const T*, const T*, const T*, const T*, const T*, bool, T*, T*, \
                                    T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
