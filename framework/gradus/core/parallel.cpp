#include "gradus/core/parallel.hpp"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "gradus/core/format.hpp"

namespace gradus {
namespace {

std::atomic<int>& thread_count() {
  static std::atomic<int> count{std::clamp(omp_get_max_threads(), 1, 1024)};
  return count;
}

constinit thread_local bool inside = false;

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

// A pool of threads that claim the parts of a job one by one, the caller among them. The usual pool gives each thread
// its part and then waits; on a machine where somebody else is busy, the thread that lost its core keeps all others
// waiting for a time slice of milliseconds. Here the caller takes what nobody has begun, so a busy neighbour costs the
// help of a thread and nothing else.
class Pool {
 public:
  static Pool& instance() {
    static Pool& pool = *new Pool;  // never destroyed: its threads run until the process ends
    return pool;
  }

  void run(int parts, void (*part)(void*, int), void* context) {
    const std::unique_lock lock(busy_, std::try_to_lock);
    if (!lock) {  // somebody else's job has the threads
      for (int i = 0; i < parts; ++i) part(context, i);
      return;
    }
    const int helpers = std::min(parts, num_threads()) - 1;
    if (started_ < helpers) start(helpers);
    part_.store(part, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    left_.store(parts, std::memory_order_relaxed);
    const std::uint64_t job = (job_.load(std::memory_order_relaxed) >> 32) + 1;
    // Sequentially consistent, as is the look at job_ of a thread that goes to sleep: one of the two sees the other.
    job_.store(job << 32 | std::uint64_t(parts) << 16, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) {
      signal_.fetch_add(1, std::memory_order_release);
      signal_.notify_all();
    }
    while (take_part()) {
    }
    wait_for_others();
    if (std::exception_ptr error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
  }

 private:
  static constexpr int spins = 2000;  // of a thread without work: some 50 us, longer than the gaps between operations
  static constexpr int caller_spins = 1000;  // of the caller, until it gives its core to a part that has none

  static int parts_of(std::uint64_t job) { return int(job >> 16 & 0xffff); }
  static int next_of(std::uint64_t job) { return int(job & 0xffff); }

  // Claims a part and does it. False when none is left to claim.
  bool take_part() {
    std::uint64_t job = job_.load(std::memory_order_acquire);
    for (;;) {
      if (next_of(job) >= parts_of(job)) return false;
      const auto part = part_.load(std::memory_order_relaxed);
      void* const context = context_.load(std::memory_order_relaxed);
      // Succeeds only while this job runs, and then the two above belong to it: the job cannot end before the part has.
      if (!job_.compare_exchange_weak(job, job + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      inside = true;
      try {
        part(context, next_of(job));
      } catch (...) {
        const std::lock_guard lock(error_mutex_);
        if (!error_) error_ = std::current_exception();
      }
      inside = false;
      if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) left_.notify_one();
      return true;
    }
  }

  void wait_for_others() {
    int left = left_.load(std::memory_order_acquire);
    for (int i = 0; left != 0 && i < caller_spins; ++i) {
      pause();
      left = left_.load(std::memory_order_acquire);
    }
    for (; left != 0; left = left_.load(std::memory_order_acquire)) left_.wait(left, std::memory_order_acquire);
  }

  void start(int helpers) {
    try {
      for (; started_ < helpers; ++started_) std::thread([this, index = started_] { help(index); }).detach();
    } catch (const std::system_error&) {  // no more threads to be had: the work is done by those that there are
    }
  }

  void help(int index) {
    for (;;) {
      for (int i = 0; i < spins; ++i) {
        if (index < num_threads() - 1 && take_part()) i = 0;
        pause();
      }
      const std::uint32_t seen = signal_.load(std::memory_order_acquire);
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      const std::uint64_t job = job_.load(std::memory_order_seq_cst);
      if (next_of(job) >= parts_of(job) || index >= num_threads() - 1) signal_.wait(seen, std::memory_order_acquire);
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
  }

  std::mutex busy_;
  int started_ = 0;
  std::atomic<void (*)(void*, int)> part_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::mutex error_mutex_;
  std::exception_ptr error_;
  alignas(64) std::atomic<std::uint64_t> job_{
      0};                                 // number of the job, its parts, the next part to claim: 32, 16, 16 bits
  alignas(64) std::atomic<int> left_{0};  // parts not finished
  alignas(64) std::atomic<std::uint32_t> signal_{0};
  std::atomic<int> sleepers_{0};
};

}  // namespace

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  if (threads < 1 || threads > 1024) failf("set_num_threads", "{} threads; 1 to 1024 are possible", threads);
  thread_count() = threads;
  omp_set_num_threads(threads);
}

namespace detail {

bool inside_parallel() { return inside; }

void run_parallel(int parts, void (*part)(void*, int), void* context) { Pool::instance().run(parts, part, context); }

}  // namespace detail
}  // namespace gradus
