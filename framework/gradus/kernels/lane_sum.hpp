#pragma once
// For source files only: sums in double whose order depends on nothing but the number of terms.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// The sum of term(i) for i < n, on the calling thread, with independent partial sums, so that the compiler can use
/// vector units.
template <class Term>
double lane_sum(Index n, Term&& term) {
  constexpr Index lanes = 16;
  double partial[lanes] = {};
  Index i = 0;
  for (; i + lanes <= n; i += lanes)
    for (Index lane = 0; lane < lanes; ++lane) partial[lane] += term(i + lane);
  for (Index lane = 0; i < n; ++i, ++lane) partial[lane] += term(i);
  double total = 0;
  for (const double sum : partial) total += sum;
  return total;
}

/// The inner product of a and b, n numbers each, as lane_sum adds it.
template <class T>
double dot(const T* a, const T* b, Index n) {
  return lane_sum(n, [a, b](Index i) { return double(a[i]) * double(b[i]); });
}

}  // namespace gradus::kernels
