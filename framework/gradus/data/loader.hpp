#pragma once
// Batches of a data set, in an order that depends on the seed and the epoch alone.
//
//   data::DataLoader loader{train_set, {.batch_size = 64, .shuffle = true, .seed = 1}};
//   for (int epoch = 0; epoch < 10; ++epoch)
//     for (const auto& [x, y] : loader) ...
//
// Each loop over the loader is the next epoch. A loader is used by one thread; its prefetching thread is its own
// business.
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>

#include "gradus/core/generator.hpp"
#include "gradus/data/dataset.hpp"

namespace gradus::data {

/// A batch of b samples: x (b, ...) and y (b, ...), numbers of its own.
struct Batch {
  Tensor x, y;
};

/// Changes the x of a batch, e.g. by random shifts: gets x and the generator of this batch, returns a tensor with as
/// many samples, which is taken off the tape. Runs in the prefetching thread when there is one; an exception that
/// leaves it reaches the loop.
using Transform = std::function<Tensor(const Tensor& x, Generator& generator)>;

struct LoaderOptions {
  Index batch_size = 1;
  bool shuffle = false;    ///< a new random order in each epoch; else that of the data set
  bool drop_last = false;  ///< leave out a last batch that is not full
  std::optional<std::uint64_t> seed =
      {};              ///< of the orders and the transforms; default: drawn from the default shuffle stream
  Index prefetch = 0;  ///< batches that a thread of its own prepares ahead; worth it for costly transforms
  Transform transform = {};
};

class DataLoader {
  struct Source;
  struct Position;
  class Pass;

 public:
  /// Keeps handles to the tensors of the data set, no copy of them. Throws for a batch size below 1, and when drop_last
  /// leaves no batch at all.
  explicit DataLoader(const Dataset& dataset, LoaderOptions options = {});
  ~DataLoader();
  DataLoader(DataLoader&&) noexcept;
  DataLoader& operator=(DataLoader&&) noexcept;

  /// One loop over the batches. Ends the prefetching when it goes away.
  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    Iterator(Iterator&&) noexcept;
    Iterator& operator=(Iterator&&) noexcept;
    ~Iterator();
    const Batch& operator*() const { return batch_; }
    const Batch* operator->() const { return &batch_; }
    Iterator& operator++() {
      advance();
      return *this;
    }
    void operator++(int) { advance(); }
    friend bool operator==(const Iterator& iterator, std::default_sentinel_t) { return iterator.pass_ == nullptr; }

   private:
    friend class DataLoader;
    explicit Iterator(std::unique_ptr<Pass> pass);
    void advance();
    std::unique_ptr<Pass> pass_;  // null at the end
    Batch batch_;
  };
  /// Starts the next epoch, or goes on where set_state() or set_epoch() said.
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }

  /// The number of batches in an epoch.
  Index size() const;
  /// The epoch that is running or was left early; after a complete loop, the one that comes next. Counts from 0.
  std::uint64_t epoch() const;
  /// The next loop is this epoch, from its first batch on.
  void set_epoch(std::uint64_t epoch);

  /// For checkpoints: `batches` batches of `epoch` have been handed out.
  struct State {
    std::uint64_t seed;
    std::uint64_t epoch;
    Index batches;
  };
  /// Taken within a loop, it counts the batch at hand as done.
  State state() const;
  /// The next loop hands out what is left of that epoch, the same batches as there would have been. Throws when the
  /// state names more batches than an epoch has. The data set and the other options are those of the loader.
  void set_state(const State& state);

  const Dataset& dataset() const;
  const LoaderOptions& options() const;

 private:
  std::shared_ptr<Source> source_;
  std::shared_ptr<Position> position_;
};

}  // namespace gradus::data
