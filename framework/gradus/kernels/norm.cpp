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
      const double average = sum_of(n, [in](Index i) { return double(in[i]); }) / double(n);
      const double squares = sum_of(n, [in, average](Index i) {
        const double d = double(in[i]) - average;
        return d * d;
      });
      const T m = T(average), s = T(1 / std::sqrt(squares / double(n) + eps));
      mean[r] = m;
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
        const T m = mean[r], s = rstd[r];
        if (to_bias != nullptr)
          for (Index i = 0; i < n; ++i) to_bias[i] += double(up[i]);
        if (to_weight != nullptr)
          for (Index i = 0; i < n; ++i) to_weight[i] += double(up[i] * ((in[i] - m) * s));
        if (dx == nullptr) continue;
        T* out = dx + r * n;
        const auto q = [=](Index i) { return weight != nullptr ? up[i] * weight[i] : up[i]; };
        const T average = T(sum_of(n, [&](Index i) { return double(q(i)); }) / double(n));
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

#define GRADUS_INSTANTIATE(T)                                                               \
  template void layer_norm(const T*, const T*, const T*, double, T*, T*, T*, Index, Index); \
  template void layer_norm_backward(const T*, const T*, const T*, const T*, const T*, T*, T*, T*, Index, Index);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
