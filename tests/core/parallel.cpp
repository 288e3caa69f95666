#include "gradus/core/parallel.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "gradus/core/error.hpp"

using namespace gradus;

namespace {

// Restores the number of threads.
struct Threads {
  int before = num_threads();
  ~Threads() { set_num_threads(before); }
};

}  // namespace

TEST_CASE("parallel_for covers every element once, for any size, grain and number of threads") {
  const Threads restore;
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    CHECK(num_threads() == threads);
    for (const Index n : {0, 1, 2, 3, 7, 100, 1001})
      for (const Index grain : {-1, 0, 1, 2, 10, 5000}) {
        std::vector<std::atomic<int>> visits(std::size_t(n) + 1);
        parallel_for(n, grain, [&](Index first, Index last) {
          CHECK(first < last);
          for (Index i = first; i < last; ++i) ++visits[std::size_t(i)];
        });
        bool once = visits[std::size_t(n)] == 0;
        for (Index i = 0; i < n; ++i) once = once && visits[std::size_t(i)] == 1;
        CHECK(once);
      }
  }
  int calls = 0;
  parallel_for(-5, 1, [&](Index, Index) { ++calls; });
  CHECK(calls == 0);
}

TEST_CASE("small work stays on one thread") {
  const Threads restore;
  set_num_threads(4);
  int calls = 0;
  parallel_for(100, 100, [&](Index first, Index last) {
    ++calls;
    CHECK(first == 0);
    CHECK(last == 100);
  });
  CHECK(calls == 1);
}

TEST_CASE("inside a parallel region the work is done where it is asked for") {
  const Threads restore;
  set_num_threads(2);
  std::atomic<Index> total{0};
  parallel_for(8, 1, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i)
      parallel_for(10, 1, [&](Index a, Index b) {
        CHECK(b - a == 10);
        total += b - a;
      });
  });
  CHECK(total == 80);
}

TEST_CASE("an exception comes out, and the pool goes on") {
  const Threads restore;
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    CHECK_THROWS_WITH_AS(parallel_for(100, 1, [](Index, Index) { fail("body", "no"); }), "body: no", Error);
    CHECK_THROWS_AS(parallel_for(100, 1,
                                 [](Index first, Index) {
                                   if (first > 0 || num_threads() == 1) throw 5;
                                 }),
                    int);
    std::atomic<Index> total{0};
    parallel_for(100, 1, [&](Index first, Index last) { total += last - first; });
    CHECK(total == 100);
  }
}

TEST_CASE("parallel_for keeps jobs apart that follow each other at once") {
  const Threads restore;
  set_num_threads(4);
  std::vector<Index> out(64);
  for (Index job = 0; job < 20000; ++job) {
    parallel_for(64, 1, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i) out[std::size_t(i)] = job * 64 + i;
    });
    Index wrong = 0;
    for (Index i = 0; i < 64; ++i) wrong += out[std::size_t(i)] != job * 64 + i;
    REQUIRE(wrong == 0);
  }
}

TEST_CASE("parallel_for goes on after its threads have slept") {
  const Threads restore;
  set_num_threads(3);
  for (int pause = 0; pause < 5; ++pause) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<Index> total{0};
    parallel_for(1000, 1, [&](Index first, Index last) { total += last - first; });
    CHECK(total == 1000);
  }
}

TEST_CASE("parallel_for is called from several threads at a time") {
  const Threads restore;
  set_num_threads(3);
  std::vector<Index> sums(4);
  {
    std::vector<std::jthread> callers;
    for (Index& sum : sums)
      callers.emplace_back([&sum] {
        for (int job = 0; job < 500; ++job) {
          std::vector<Index> out(200);
          parallel_for(200, 1,
                       [&](Index first, Index last) { std::iota(out.begin() + first, out.begin() + last, first); });
          sum += std::accumulate(out.begin(), out.end(), Index{0});
        }
      });
  }
  CHECK(sums == std::vector<Index>(4, 500 * 199 * 100));
}

TEST_CASE("numbers of threads that cannot be are refused") {
  const int before = num_threads();
  CHECK_THROWS_WITH_AS(set_num_threads(0), "set_num_threads: 0 threads; 1 to 1024 are possible", Error);
  CHECK_THROWS_AS(set_num_threads(-3), Error);
  CHECK_THROWS_AS(set_num_threads(100000), Error);
  CHECK(num_threads() == before);
}
