#include "gradus/core/parallel.hpp"

#include <omp.h>

#include <atomic>
#include <exception>

#include "gradus/core/format.hpp"

namespace gradus {
namespace {

std::atomic<int>& thread_count() {
  static std::atomic<int> count{omp_get_max_threads()};
  return count;
}

}  // namespace

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  if (threads < 1) failf("set_num_threads", "{} threads; at least 1 is needed", threads);
  thread_count() = threads;
  omp_set_num_threads(threads);
}

namespace detail {

bool inside_parallel() { return omp_in_parallel() != 0; }

void run_parallel(int parts, void (*part)(void*, int), void* context) {
  // An exception must not leave an OpenMP region; the first one is carried out by hand.
  std::exception_ptr error;
#pragma omp parallel for num_threads(parts) schedule(static, 1)
  for (int i = 0; i < parts; ++i) {
    try {
      part(context, i);
    } catch (...) {
#pragma omp critical(gradus_parallel_error)
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace detail
}  // namespace gradus
