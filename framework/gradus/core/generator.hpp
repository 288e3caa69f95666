#pragma once
// Random numbers that depend on (seed, draw, element) alone: not on the number of threads, nor on who else draws.
#include <cstdint>
#include <string_view>

namespace gradus {

/// A stream of draws. A draw is one call of a drawing function, of any size; element i of draw n is a pure function of
/// (seed, n, i). Copies go on from the same place, independently.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0) : seed_(seed) {}

  /// An independent stream for one purpose: the same seed and purpose give the same stream, however much was drawn here.
  Generator split(std::string_view purpose) const;
  /// The same, numbered: for sample, epoch or worker `index`.
  Generator split(std::uint64_t index) const;

  struct Draw {
    std::uint64_t key;
    std::uint64_t number;
  };
  /// The place of the next draw.
  Draw next() { return {seed_, draws_++}; }

  struct State {
    std::uint64_t seed;
    std::uint64_t draws;
  };
  State state() const { return {seed_, draws_}; }
  void set_state(State state) { seed_ = state.seed, draws_ = state.draws; }
  std::uint64_t seed() const { return seed_; }

 private:
  std::uint64_t seed_;
  std::uint64_t draws_ = 0;
};

/// Starts all default streams again from `seed`.
void manual_seed(std::uint64_t seed);

/// The default streams. Each purpose has its own, so drawing for one changes nothing in another. They are for the thread that
/// builds and trains; another thread takes a Generator of its own.
enum class Stream { general, init, dropout, shuffle };
Generator& default_generator(Stream stream = Stream::general);

}  // namespace gradus
