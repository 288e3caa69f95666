#include "gradus/kernels/norm.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/broadcast.hpp"

namespace gradus::kernels {
namespace {

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

// Rows are summed in blocks: their number depends on the number of rows alone, so the order of the additions does as
// well.
constexpr Index most_blocks = 16;
Index rows_of_block(Index rows) { return std::max<Index>(16, (rows + most_blocks - 1) / most_blocks); }

}  // namespace

template <class T>
void layer_norm(const T* x, const T* weight, const T* bias, double eps, T* y, T* mean, T* rstd, Index rows, Index n) {
  parallel_for(rows, grain_of(n), [&](Index first, Index last) {
    for (Index r = first; r < last; ++r) {
      const T* in = x + r * n;
      T* out = y + r * n;
      const double average = mean == nullptr ? 0 : sum_of(n, [in](Index i) { return double(in[i]); }) / double(n);
      const double squares = sum_of(n, [in, average](Index i) {
        const double d = double(in[i]) - average;
        return d * d;
      });
      const T m = T(average), s = T(1 / std::sqrt(squares / double(n) + eps));
      if (mean != nullptr) mean[r] = m;
      rstd[r] = s;
      if (weight != nullptr && bias != nullptr)
        for (Index i = 0; i < n; ++i) out[i] = (in[i] - m) * s * weight[i] + bias[i];
      else if (weight != nullptr)
        for (Index i = 0; i < n; ++i) out[i] = (in[i] - m) * s * weight[i];
      else if (bias != nullptr)
        for (Index i = 0; i < n; ++i) out[i] = (in[i] - m) * s + bias[i];
      else
        for (Index i = 0; i < n; ++i) out[i] = (in[i] - m) * s;
    }
  });
}

template <class T>
void layer_norm_backward(const T* g, const T* x, const T* weight, const T* mean, const T* rstd, T* dx, T* dweight,
                         T* dbias, Index rows, Index n) {
  const Index block = rows_of_block(rows), blocks = (rows + block - 1) / block;
  const std::size_t width = std::size_t(n);
  std::vector<double> weight_sums(dweight != nullptr ? std::size_t(blocks) * width : 0);
  std::vector<double> bias_sums(dbias != nullptr ? std::size_t(blocks) * width : 0);
  parallel_for(blocks, std::max<Index>(1, grain_of(n) / block), [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      double* to_weight = dweight != nullptr ? weight_sums.data() + std::size_t(b) * width : nullptr;
      double* to_bias = dbias != nullptr ? bias_sums.data() + std::size_t(b) * width : nullptr;
      for (Index r = b * block; r < std::min(rows, (b + 1) * block); ++r) {
        const T *in = x + r * n, *up = g + r * n;
        const T m = mean != nullptr ? mean[r] : T(0), s = rstd[r];
        if (to_bias != nullptr)
          for (Index i = 0; i < n; ++i) to_bias[i] += double(up[i]);
        if (to_weight != nullptr)
          for (Index i = 0; i < n; ++i) to_weight[i] += double(up[i] * ((in[i] - m) * s));
        if (dx == nullptr) continue;
        T* out = dx + r * n;
        const auto q = [=](Index i) { return weight != nullptr ? up[i] * weight[i] : up[i]; };
        const T average = mean == nullptr ? T(0) : T(sum_of(n, [&](Index i) { return double(q(i)); }) / double(n));
        const T slope = T(sum_of(n, [&](Index i) { return double(q(i) * ((in[i] - m) * s)); }) / double(n));
        if (weight != nullptr)
          for (Index i = 0; i < n; ++i) out[i] = s * (up[i] * weight[i] - average - (in[i] - m) * s * slope);
        else
          for (Index i = 0; i < n; ++i) out[i] = s * (up[i] - average - (in[i] - m) * s * slope);
      }
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

// totals[k] = sum of term(place in x, k) over channel k of the strip, in double.
template <class Term>
void sum_channels(const Channels& s, Strip c, double* totals, Term&& term) {
  std::fill(totals, totals + c.width, 0.0);
  for (Index n = 0; n < s.batch; ++n) {
    const Index at = (n * s.channels + c.start) * s.inner;
    if (s.inner == 1)
      for (Index k = 0; k < c.width; ++k) totals[k] += term(at + k, k);
    else
      totals[0] += sum_of(s.inner, [&](Index i) { return term(at + i, Index{0}); });
  }
}

// visit(place in x, k) for every element of the strip; k is the channel's place in it.
template <class Visit>
void visit_channels(const Channels& s, Strip c, Visit&& visit) {
  for (Index n = 0; n < s.batch; ++n) {
    const Index at = (n * s.channels + c.start) * s.inner;
    if (s.inner == 1)
      for (Index k = 0; k < c.width; ++k) visit(at + k, k);
    else
      for (Index i = 0; i < s.inner; ++i) visit(at + i, Index{0});
  }
}

template <class T>
void apply_strip(const Channels& s, Strip c, const T* x, const T* weight, const T* bias, const T* mean, const T* rstd,
                 T* y) {
  T centre[strip], scale[strip], shift[strip];
  for (Index k = 0; k < c.width; ++k) {
    centre[k] = mean[c.start + k];
    scale[k] = weight != nullptr ? rstd[c.start + k] * weight[c.start + k] : rstd[c.start + k];
    shift[k] = bias != nullptr ? bias[c.start + k] : T(0);
  }
  visit_channels(s, c, [&](Index i, Index k) { y[i] = (x[i] - centre[k]) * scale[k] + shift[k]; });
}

}  // namespace

template <class T>
void batch_norm(const Channels& s, const T* x, const T* weight, const T* bias, double eps, T* y, T* mean, T* variance,
                T* rstd) {
  for_each_strip(s, [&](Strip c) {
    double average[strip], squares[strip];
    sum_channels(s, c, average, [x](Index i, Index) { return double(x[i]); });
    for (Index k = 0; k < c.width; ++k) average[k] /= double(s.count());
    sum_channels(s, c, squares, [&](Index i, Index k) {
      const double d = double(x[i]) - average[k];
      return d * d;
    });
    for (Index k = 0; k < c.width; ++k) {
      squares[k] /= double(s.count());
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
  for_each_strip(s, [&](Strip c) {
    T centre[strip], scale[strip], average[strip], slope[strip];
    double sums[strip], products[strip];
    for (Index k = 0; k < c.width; ++k) {
      centre[k] = mean[c.start + k];
      scale[k] = rstd[c.start + k];
    }
    if (dbias != nullptr || (dx != nullptr && !constants))
      sum_channels(s, c, sums, [g](Index i, Index) { return double(g[i]); });
    if (dweight != nullptr || (dx != nullptr && !constants))
      sum_channels(s, c, products, [&](Index i, Index k) { return double(g[i] * ((x[i] - centre[k]) * scale[k])); });
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
    if (constants)
      visit_channels(s, c, [&](Index i, Index k) { dx[i] = factor[k] * g[i]; });
    else
      visit_channels(
          s, c, [&](Index i, Index k) { dx[i] = factor[k] * (g[i] - average[k] - (x[i] - centre[k]) * slope[k]); });
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
