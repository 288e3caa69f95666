#include "gradus/data/loader.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/kernels/random.hpp"

namespace gradus::data {

// What does not change while the loader lives, and the seed. Shared with running passes, so the loader may be moved
// meanwhile.
struct DataLoader::Source {
  Dataset dataset;
  LoaderOptions options;
  Index samples;
  Index batches;
};

struct DataLoader::Position {
  std::uint64_t seed;
  std::uint64_t epoch = 0;
  Index batches = 0;       // handed out in this epoch
  bool running = false;    // a loop over this epoch has begun and not come to its end
  std::uint64_t pass = 0;  // which loop may move the position: the latest
};

namespace {

// Rows of bytes, on the calling thread alone: the prefetching thread leaves the pool to the training loop.
Tensor gather_rows(const Tensor& from, const std::int64_t* indices, Index count) {
  Shape shape = from.shape();
  const std::size_t row = std::size_t(shape.product(1, shape.size())) * size_of(from.dtype());
  shape[0] = count;
  Tensor out = Tensor::make("data_loader", shape, from.dtype());
  const auto* source = static_cast<const std::byte*>(from.raw_data());
  auto* target = static_cast<std::byte*>(out.raw_data());
  if (row == 0) return out;
  for (Index i = 0; i < count; ++i)
    std::memcpy(target + std::size_t(i) * row, source + std::size_t(indices[i]) * row, row);
  return out;
}

}  // namespace

// One loop: the order of its epoch, and the thread that works ahead.
class DataLoader::Pass {
 public:
  Pass(std::shared_ptr<const Source> source, std::shared_ptr<Position> position)
      : source_(std::move(source)),
        position_(std::move(position)),
        number_(position_->pass),
        seed_(position_->seed),
        epoch_(position_->epoch),
        next_(position_->batches) {
    order_.resize(std::size_t(source_->samples));
    if (source_->options.shuffle)
      kernels::permutation(Generator(seed_).split("shuffle").split(epoch_).next(), order_.data(), source_->samples);
    else
      for (Index i = 0; i < source_->samples; ++i) order_[std::size_t(i)] = i;
    if (source_->options.prefetch == 0 || next_ >= source_->batches) return;
    try {
      worker_ = std::thread([this, first = next_] { work(first); });
    } catch (const std::system_error&) {
      // The system gives no thread: the same batches are made when they are asked for.
    }
  }

  ~Pass() {
    if (!worker_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    has_room_.notify_one();
    worker_.join();
  }

  // The next batch into `batch`; false at the end.
  bool next(Batch& batch) {
    const bool current = position_->pass == number_;
    if (next_ >= source_->batches) {
      if (current) {
        ++position_->epoch;
        position_->batches = 0;
        position_->running = false;
      }
      return false;
    }
    batch = worker_.joinable() ? take() : make(next_);
    ++next_;
    if (current) position_->batches = next_;
    return true;
  }

 private:
  struct Item {
    Batch batch;
    std::exception_ptr error;
  };

  Batch make(Index number) const {
    const LoaderOptions& options = source_->options;
    const Index first = number * options.batch_size;
    const Index count = std::min(options.batch_size, source_->samples - first);
    const std::int64_t* indices = order_.data() + first;
    Batch batch{gather_rows(source_->dataset.x, indices, count), gather_rows(source_->dataset.y, indices, count)};
    if (options.transform) {
      Generator generator = Generator(seed_).split("transform").split(epoch_).split(std::uint64_t(number));
      batch.x = options.transform(batch.x, generator);
      if (!batch.x.defined() || batch.x.dim() < 1 || batch.x.size(0) != count)
        failf("data_loader",
              "the transform made a tensor of shape {} of a batch of {} samples; it must keep their number",
              batch.x.defined() ? to_string(batch.x.shape()) : "undefined", count);
      batch.x = batch.x.detach();
    }
    return batch;
  }

  void work(Index first) {
    for (Index number = first; number < source_->batches; ++number) {
      Item item;
      try {
        item.batch = make(number);
      } catch (...) {
        item.error = std::current_exception();
      }
      const bool failed = item.error != nullptr;
      {
        std::unique_lock lock(mutex_);
        has_room_.wait(lock, [this] { return stop_ || Index(ready_.size()) < source_->options.prefetch; });
        if (stop_) return;
        ready_.push_back(std::move(item));
      }
      has_item_.notify_one();
      if (failed) return;
    }
  }

  Batch take() {
    Item item;
    {
      std::unique_lock lock(mutex_);
      has_item_.wait(lock, [this] { return !ready_.empty(); });
      // A failure stays at the front: whoever asks again meets it again instead of waiting for a thread that has ended.
      if (ready_.front().error) std::rethrow_exception(ready_.front().error);
      item = std::move(ready_.front());
      ready_.pop_front();
    }
    has_room_.notify_one();
    return std::move(item.batch);
  }

  std::shared_ptr<const Source> source_;
  std::shared_ptr<Position> position_;
  std::uint64_t number_, seed_, epoch_;
  Index next_;
  std::vector<std::int64_t> order_;

  std::mutex mutex_;
  std::condition_variable has_room_, has_item_;
  std::deque<Item> ready_;
  bool stop_ = false;
  std::thread worker_;  // last: everything it uses is there before it starts
};

DataLoader::DataLoader(const Dataset& dataset, LoaderOptions options) {
  const Index n = dataset.size();
  if (options.batch_size < 1) failf("data_loader", "batch_size is {}; at least 1 is needed", options.batch_size);
  if (options.prefetch < 0)
    failf("data_loader", "prefetch is {}; 0 or more batches can be prepared ahead", options.prefetch);
  const Index batches =
      options.drop_last ? n / options.batch_size : n / options.batch_size + (n % options.batch_size != 0);
  if (n > 0 && batches == 0)
    failf("data_loader", "drop_last leaves no batch: there are {} samples and batch_size is {}", n, options.batch_size);
  std::uint64_t seed = 0;
  if (options.seed) {
    seed = *options.seed;
  } else {
    const Generator::Draw draw = default_generator(Stream::shuffle).next();
    seed = Generator(draw.key).split(draw.number).seed();
  }
  source_ = std::make_shared<Source>(Source{dataset, std::move(options), n, batches});
  position_ = std::make_shared<Position>(Position{.seed = seed});
}

DataLoader::~DataLoader() = default;
DataLoader::DataLoader(DataLoader&&) noexcept = default;
DataLoader& DataLoader::operator=(DataLoader&&) noexcept = default;

DataLoader::Iterator::Iterator(std::unique_ptr<Pass> pass) : pass_(std::move(pass)) { advance(); }
DataLoader::Iterator::Iterator(Iterator&&) noexcept = default;
DataLoader::Iterator& DataLoader::Iterator::operator=(Iterator&&) noexcept = default;
DataLoader::Iterator::~Iterator() = default;

void DataLoader::Iterator::advance() {
  if (pass_ == nullptr) fail("data_loader", "the loop is at its end; begin() starts another");
  if (pass_->next(batch_)) return;
  pass_.reset();
  batch_ = {};
}

DataLoader::Iterator DataLoader::begin() {
  if (position_->running) {
    ++position_->epoch;
    position_->batches = 0;
  }
  position_->running = true;
  ++position_->pass;
  return Iterator(std::make_unique<Pass>(source_, position_));
}

Index DataLoader::size() const { return source_->batches; }
std::uint64_t DataLoader::epoch() const { return position_->epoch; }
void DataLoader::set_epoch(std::uint64_t epoch) { set_state({position_->seed, epoch, 0}); }

DataLoader::State DataLoader::state() const { return {position_->seed, position_->epoch, position_->batches}; }

void DataLoader::set_state(const State& state) {
  if (state.batches < 0 || state.batches > source_->batches)
    failf("data_loader",
          "the state has handed out {} batches of an epoch, but there are {} in one; is it of another data set or "
          "batch_size?",
          state.batches, source_->batches);
  *position_ = {.seed = state.seed,
                .epoch = state.epoch,
                .batches = state.batches,
                .running = false,
                .pass = position_->pass + 1};
}

const Dataset& DataLoader::dataset() const { return source_->dataset; }
const LoaderOptions& DataLoader::options() const { return source_->options; }

}  // namespace gradus::data
