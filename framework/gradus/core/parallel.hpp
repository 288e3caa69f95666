#pragma once
// One thread pool for everything: OpenMP's, shared with OpenBLAS's OpenMP build.
#include <algorithm>
#include <type_traits>

#include "gradus/core/shape.hpp"

namespace gradus {

/// The number of threads that operations may use; at the start, what OpenMP offers (the cores, or OMP_NUM_THREADS).
int num_threads();
/// Throws unless threads >= 1.
void set_num_threads(int threads);

namespace detail {
void run_parallel(int parts, void (*part)(void* context, int index), void* context);
bool inside_parallel();
}  // namespace detail

/// Calls body(first, last) for disjoint ranges that cover [0, n), on several threads when n is above `grain`, the smallest range
/// worth a thread. Which element goes to which thread must not change a result: a body writes its own range only.
template <class Body> void parallel_for(Index n, Index grain, Body&& body) {
  if (n <= 0) return;
  const Index wanted = (n + std::max<Index>(grain, 1) - 1) / std::max<Index>(grain, 1);
  const int parts = wanted <= 1 ? 1 : int(std::min<Index>(num_threads(), wanted));
  if (parts == 1 || detail::inside_parallel()) {
    body(Index{0}, n);
    return;
  }
  struct Context {
    std::remove_reference_t<Body>* body;
    Index n;
    Index parts;
  } context{&body, n, parts};
  detail::run_parallel(
      parts,
      [](void* pointer, int index) {
        const Context& c = *static_cast<Context*>(pointer);
        const Index first = c.n * index / c.parts, last = c.n * (index + 1) / c.parts;
        if (first < last) (*c.body)(first, last);
      },
      &context);
}

}  // namespace gradus
