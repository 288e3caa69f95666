#pragma once
// The threads that operations share.
#include <algorithm>
#include <type_traits>

#include "gradus/core/shape.hpp"

namespace gradus {

/// The number of threads that operations may use; at the start, what OpenMP offers (the cores, or OMP_NUM_THREADS).
int num_threads();
/// Throws unless threads is 1 to 1024.
void set_num_threads(int threads);

namespace detail {
/// Does parts 0 to parts - 1, at most 65535, each once, in any order and on any thread; rethrows the first exception.
void run_parallel(int parts, void (*part)(void* context, int index), void* context);
/// Whether this thread is in the middle of a part; what would be parallel is then done in place.
bool inside_parallel();
}  // namespace detail

/// Calls body(first, last) for disjoint ranges that cover [0, n), on several threads when n is above `grain`, the
/// smallest range worth a thread. Which element goes to which thread must not change a result: a body writes its own
/// range only.
template <class Body>
void parallel_for(Index n, Index grain, Body&& body) {
  if (n <= 0) return;
  const Index wanted = (n + std::max<Index>(grain, 1) - 1) / std::max<Index>(grain, 1), threads = num_threads();
  if (wanted <= 1 || threads == 1 || detail::inside_parallel()) {
    body(Index{0}, n);
    return;
  }
  // A long range is cut finer, so that what a thread that was held up has not begun is left to the others.
  const Index parts = wanted > 16 * threads ? 4 * threads : std::min(threads, wanted);
  struct Context {
    std::remove_reference_t<Body>* body;
    Index n;
    Index parts;
  } context{&body, n, parts};
  detail::run_parallel(
      int(parts),
      [](void* pointer, int index) {
        const Context& c = *static_cast<Context*>(pointer);
        const Index first = c.n * index / c.parts, last = c.n * (index + 1) / c.parts;
        if (first < last) (*c.body)(first, last);
      },
      &context);
}

}  // namespace gradus
