#include "gradus/data/loader.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ranges>
#include <stdexcept>
#include <thread>

#include "gradus/core/parallel.hpp"
#include "gradus/data/digits.hpp"
#include "gradus/tensor/factories.hpp"
#include "support.hpp"

using namespace gradus;
using data::DataLoader;

namespace {

static_assert(std::input_iterator<DataLoader::Iterator>);
static_assert(std::ranges::input_range<DataLoader>);

// x = (i, 2i, 3i), y = i.
data::Dataset counting(Index n) {
  data::Dataset dataset;
  dataset.x = zeros({n, 3});
  dataset.y = arange(n);
  for (Index i = 0; i < 3 * n; ++i) dataset.x.data<float>()[i] = float(i / 3 * (i % 3 + 1));
  return dataset;
}

using Batches = std::vector<std::vector<std::int64_t>>;

// The labels of all batches of one loop; checks that x belongs to y.
Batches labels(DataLoader& loader) {
  Batches batches;
  for (const auto& [x, y] : loader) {
    batches.push_back(to_vector<std::int64_t>(y));
    REQUIRE(x.shape() == Shape{y.numel(), 3});
    for (Index i = 0; i < y.numel(); ++i)
      for (Index j = 0; j < 3; ++j) REQUIRE(x.data<float>()[3 * i + j] == float(y.data<std::int64_t>()[i] * (j + 1)));
  }
  return batches;
}

std::vector<std::int64_t> flat(const Batches& batches) {
  std::vector<std::int64_t> all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

}  // namespace

TEST_CASE("batches in the order of the data set") {
  DataLoader loader{counting(7), {.batch_size = 3}};
  CHECK(loader.size() == 3);
  for (int epoch = 0; epoch < 2; ++epoch) CHECK(labels(loader) == Batches{{0, 1, 2}, {3, 4, 5}, {6}});
  DataLoader dropping{counting(7), {.batch_size = 3, .drop_last = true}};
  CHECK(dropping.size() == 2);
  CHECK(labels(dropping) == Batches{{0, 1, 2}, {3, 4, 5}});
  DataLoader large{counting(2), {.batch_size = 100}};
  CHECK(labels(large) == Batches{{0, 1}});
  DataLoader empty{counting(0), {.batch_size = 4}};
  CHECK(empty.size() == 0);
  CHECK(labels(empty).empty());
  CHECK(empty.epoch() == 1);
}

TEST_CASE("a shuffled epoch has every sample once, in an order of its own") {
  DataLoader loader{counting(101), {.batch_size = 8, .shuffle = true, .seed = 5}};
  const Batches first = labels(loader), second = labels(loader);
  CHECK(first.size() == 13);
  CHECK(first.back().size() == 5);
  CHECK(first != second);
  std::vector<std::int64_t> all = flat(first);
  CHECK(!std::is_sorted(all.begin(), all.end()));
  std::sort(all.begin(), all.end());
  for (std::int64_t i = 0; i < 101; ++i) REQUIRE(all[std::size_t(i)] == i);
  // (seed, epoch) alone: another loader, asked for the second epoch at once.
  DataLoader again{counting(101), {.batch_size = 8, .shuffle = true, .seed = 5}};
  again.set_epoch(1);
  CHECK(labels(again) == second);
  again.set_epoch(0);
  CHECK(labels(again) == first);
  DataLoader other{counting(101), {.batch_size = 8, .shuffle = true, .seed = 6}};
  CHECK(labels(other) != first);
}

TEST_CASE("the order depends neither on prefetching nor on threads") {
  const int before = num_threads();
  const data::Transform noise = [](const Tensor& x, Generator& generator) {
    Tensor out = rand(x.shape(), {.generator = &generator});
    for (Index i = 0; i < x.numel(); ++i) out.data<float>()[i] += x.data<float>()[i];
    return out;
  };
  std::vector<std::vector<float>> runs;
  for (const int threads : {1, 2})
    for (const Index prefetch : {0, 1, 3, 100}) {
      set_num_threads(threads);
      DataLoader loader{counting(50),
                        {.batch_size = 7, .shuffle = true, .seed = 9, .prefetch = prefetch, .transform = noise}};
      std::vector<float> seen;
      for (int epoch = 0; epoch < 3; ++epoch)
        for (const auto& [x, y] : loader) {
          const std::vector<float> values = to_vector<float>(x);
          seen.insert(seen.end(), values.begin(), values.end());
        }
      runs.push_back(seen);
    }
  set_num_threads(before);
  CHECK(runs.front().size() == 3 * 50 * 3);
  for (const auto& run : runs) CHECK(run == runs.front());
}

TEST_CASE("without a seed the default shuffle stream decides") {
  const auto order = [] {
    DataLoader loader{counting(30), {.batch_size = 30, .shuffle = true}};
    return labels(loader);
  };
  manual_seed(1);
  const Batches first = order(), second = order();
  manual_seed(1);
  CHECK(order() == first);
  CHECK(order() == second);
  CHECK(first != second);
  manual_seed(0);
}

TEST_CASE("a loop left early ends cleanly, and the next one is the next epoch") {
  for (const Index prefetch : {0, 2}) {
    DataLoader reference{counting(40), {.batch_size = 4, .shuffle = true, .seed = 2}};
    (void)labels(reference);
    const Batches second = labels(reference);
    DataLoader loader{counting(40), {.batch_size = 4, .shuffle = true, .seed = 2, .prefetch = prefetch}};
    int count = 0;
    for (const auto& [x, y] : loader)
      if (++count == 3) break;
    CHECK(loader.epoch() == 0);
    CHECK(loader.state().batches == 3);
    CHECK(labels(loader) == second);
    CHECK_THROWS_AS(
        [&] {
          for (const auto& [x, y] : loader) throw std::logic_error("out of the body");
        }(),
        std::logic_error);
    CHECK(loader.epoch() == 2);
  }
}

TEST_CASE("an exception in the transform reaches the loop at its batch") {
  for (const Index prefetch : {0, 1, 5}) {
    CAPTURE(prefetch);
    std::atomic<int> calls = 0;
    DataLoader loader{counting(20),
                      {.batch_size = 2, .prefetch = prefetch, .transform = [&](const Tensor& x, Generator&) {
                         if (++calls == 5) throw std::runtime_error("the fifth");
                         return x;
                       }}};
    int seen = 0;
    std::string text;
    try {
      for (const auto& [x, y] : loader) ++seen;
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    CHECK(text == "the fifth");
    CHECK(seen == 4);
    CHECK(loader.state().batches == 4);
    CHECK(labels(loader).size() == 10);  // the loader goes on working
  }
  DataLoader shrinking{counting(20), {.batch_size = 4, .transform = [](const Tensor&, Generator&) {
                                        return zeros({3, 3});
                                      }}};
  CHECK(has(error_of([&] { (void)labels(shrinking); }), "(3, 3)"));
  DataLoader forgetting{counting(20),
                        {.batch_size = 4, .transform = [](const Tensor&, Generator&) { return Tensor{}; }}};
  CHECK(has(error_of([&] { (void)labels(forgetting); }), "undefined"));
}

TEST_CASE("the queue is bounded") {
  std::atomic<int> made = 0;
  DataLoader loader{counting(1000), {.prefetch = 3, .transform = [&](const Tensor& x, Generator&) {
                                       ++made;
                                       return x;
                                     }}};
  int taken = 0, most_ahead = 0;
  for (const auto& [x, y] : loader) {
    ++taken;
    if (taken % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    most_ahead = std::max(most_ahead, made.load() - taken);
  }
  CHECK(taken == 1000);
  CHECK(most_ahead <= 4);  // three in the queue and one in the making
}

TEST_CASE("resuming in mid-epoch gives the batches that were left") {
  const auto make = [](Index prefetch) {
    return DataLoader{counting(33), {.batch_size = 4, .shuffle = true, .seed = 8, .prefetch = prefetch}};
  };
  for (const Index prefetch : {0, 2}) {
    DataLoader reference = make(prefetch);
    Batches expected;
    for (int epoch = 0; epoch < 3; ++epoch)
      for (const auto& batch : labels(reference)) expected.push_back(batch);
    // Stopped after every possible number of batches.
    for (std::size_t stop = 0; stop <= 18; ++stop) {
      CAPTURE(stop);
      DataLoader first = make(prefetch);
      Batches got;
      DataLoader::State state = first.state();
      while (got.size() < stop)
        for (const auto& [x, y] : first) {
          got.push_back(to_vector<std::int64_t>(y));
          state = first.state();
          if (got.size() == stop) break;
        }
      DataLoader second{counting(33), {.batch_size = 4, .shuffle = true, .seed = 12345, .prefetch = prefetch}};
      second.set_state(state);
      CHECK(second.state().batches == state.batches);
      while (second.epoch() < 3)
        for (const auto& batch : labels(second)) got.push_back(batch);
      CHECK(got == expected);
    }
  }
  DataLoader loader = make(0);
  CHECK(has(error_of([&] { loader.set_state({8, 0, 10}); }), "10 batches"));
  CHECK(has(error_of([&] { loader.set_state({8, 0, -1}); }), "-1 batches"));
}

TEST_CASE("batches are copies, the data set is not") {
  const data::Dataset dataset = counting(6);
  DataLoader loader{dataset, {.batch_size = 2}};
  CHECK(loader.dataset().x.raw_data() == dataset.x.raw_data());
  std::vector<data::Batch> kept;
  for (const data::Batch& batch : loader) kept.push_back(batch);
  for (std::size_t i = 0; i < 3; ++i) CHECK(kept[i].y.data<std::int64_t>()[0] == std::int64_t(2 * i));
  kept[0].x.fill_(99);
  CHECK(dataset.x.data<float>()[0] == 0);
}

TEST_CASE("a loader may be moved, also while a loop runs") {
  DataLoader first{counting(6), {.batch_size = 2, .prefetch = 1}};
  auto iterator = first.begin();
  DataLoader second = std::move(first);
  ++iterator;
  CHECK(iterator->y.data<std::int64_t>()[0] == 2);
  CHECK(second.state().batches == 2);
  ++iterator;
  ++iterator;
  CHECK(iterator == second.end());
  CHECK(second.epoch() == 1);
  CHECK(has(error_of([&] { ++iterator; }), "at its end"));
}

TEST_CASE("two loops at once do not disturb each other") {
  DataLoader loader{counting(8), {.batch_size = 2, .shuffle = true, .seed = 1, .prefetch = 1}};
  DataLoader reference{counting(8), {.batch_size = 2, .shuffle = true, .seed = 1}};
  const Batches first = labels(reference), second = labels(reference);
  Batches outer;
  bool inner_done = false;
  for (const auto& [x, y] : loader) {
    outer.push_back(to_vector<std::int64_t>(y));
    if (!inner_done) {
      CHECK(labels(loader) == second);
      inner_done = true;
    }
  }
  CHECK(outer == first);
  CHECK(loader.epoch() == 2);  // the later loop counts
}

TEST_CASE("regression targets and images are gathered as well") {
  data::Dataset dataset = data::digits();
  dataset.y = zeros({1797, 2});
  dataset.y.data<float>()[2 * 1796 + 1] = 5;
  DataLoader loader{dataset, {.batch_size = 1000}};
  std::vector<Shape> shapes;
  float last = 0;
  for (const auto& [x, y] : loader) {
    shapes.push_back(x.shape());
    shapes.push_back(y.shape());
    last = y.data<float>()[y.numel() - 1];
  }
  CHECK(shapes == std::vector<Shape>{{1000, 1, 8, 8}, {1000, 2}, {797, 1, 8, 8}, {797, 2}});
  CHECK(last == 5);
}

TEST_CASE("a loader says what is impossible") {
  CHECK(has(error_of([] { DataLoader{counting(3), {.batch_size = 0}}; }), "batch_size is 0"));
  CHECK(has(error_of([] { DataLoader{counting(3), {.batch_size = -1}}; }), "batch_size is -1"));
  CHECK(has(error_of([] { DataLoader{counting(3), {.prefetch = -1}}; }), "prefetch is -1"));
  CHECK(has(error_of([] {
              DataLoader{counting(3), {.batch_size = 4, .drop_last = true}};
            }),
            "drop_last leaves no batch"));
  CHECK(has(error_of([] { DataLoader{data::Dataset{}, {.batch_size = 4}}; }), "undefined"));
}
