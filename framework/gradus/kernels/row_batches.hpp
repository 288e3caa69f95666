#pragma once
// For source files of kernels only: a row of numbers, batch by batch, the last one perhaps not full.
#include "gradus/core/shape.hpp"
#include "gradus/core/simd.hpp"

namespace gradus::kernels {

// Calls visit(index, count) for the batches of a row of n: count is the size of a batch, or less at the end.
template <class T, class Visit>
void for_each_batch(Index n, Visit&& visit) {
  constexpr Index size = simd::Batch<T>::size;
  Index i = 0;
  for (; i + size <= n; i += size) visit(i, int(size));
  if (i < n) visit(i, int(n - i));
}

// The first `count` numbers, and `fill` behind them.
template <class T>
simd::Batch<T> load(const T* from, int count, T fill = 0) {
  using V = simd::Batch<T>;
  return count == V::size ? V::load(from) : V::load_partial(from, count, fill);
}

template <class T>
void store(const simd::Batch<T>& value, T* to, int count) {
  count == simd::Batch<T>::size ? value.store(to) : value.store_partial(to, count);
}

// The sum of the numbers of a batch, in double, from the first to the last.
template <class T>
double sum_of(const simd::Batch<T>& x) {
  double total = 0;
  for (int lane = 0; lane < simd::Batch<T>::size; ++lane) total += double(x[lane]);
  return total;
}

}  // namespace gradus::kernels
