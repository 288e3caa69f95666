#include "gradus/kernels/vector_norm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/broadcast.hpp"
#include "gradus/kernels/lane_sum.hpp"

namespace gradus::kernels {
namespace {

constexpr Index block = 4096;

// The sum of term(x).
template <class T, class Term>
double sum_block(const T* x, Index n, Term&& term) {
  return lane_sum(n, [&](Index i) { return term(double(x[i])); });
}

// Blocks of a fixed size, joined in their order.
template <class Block, class Join>
double over_blocks(Index n, Block&& of_block, Join&& join) {
  const Index blocks = (n + block - 1) / block;
  std::vector<double> results(static_cast<std::size_t>(blocks));
  parallel_for(blocks, elementwise_grain / block, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b)
      results[static_cast<std::size_t>(b)] = of_block(b * block, std::min(block, n - b * block));
  });
  double total = 0;
  for (const double result : results) total = join(total, result);
  return total;
}

}  // namespace

template <class T>
double power_sum(const T* x, double p, Index n) {
  const auto add = [](double a, double b) { return a + b; };
  if (p == 2)
    return over_blocks(
        n, [x](Index at, Index count) { return sum_block(x + at, count, [](double v) { return v * v; }); }, add);
  if (p == 1)
    return over_blocks(
        n, [x](Index at, Index count) { return sum_block(x + at, count, [](double v) { return std::abs(v); }); }, add);
  if (p == std::numeric_limits<double>::infinity()) {
    const auto larger = [](double a, double b) { return b > a || b != b ? b : a; };
    return over_blocks(
        n,
        [x, larger](Index at, Index count) {
          double most = 0;
          for (Index i = at; i < at + count && most == most; ++i) most = larger(most, std::abs(double(x[i])));
          return most;
        },
        [larger](double a, double b) { return a != a ? a : larger(a, b); });
  }
  return over_blocks(
      n,
      [x, p](Index at, Index count) {
        return sum_block(x + at, count, [p](double v) { return std::pow(std::abs(v), p); });
      },
      add);
}

template double power_sum(const float*, double, Index);
template double power_sum(const double*, double, Index);

}  // namespace gradus::kernels
