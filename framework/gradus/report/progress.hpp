#pragma once
// A progress bar with rate and time left on standard error; nothing at all when that is not a terminal.
//
//   Progress progress(steps, "training elu");
//   for (...) { ...; progress.note("loss 0.31"); progress.step(); }
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gradus::report {

class Progress {
 public:
  struct Options {
    std::string unit = "it";       ///< what is counted: "12.3 batches/s"
    std::int64_t start = 0;        ///< already done by an earlier run: neither rate nor time left count it
    double seconds_between = 0.1;  ///< at most one drawing in this time
    int force = -1;                ///< 1: draw even without a terminal, 0: never, -1: if standard error is one
    std::function<void(std::string_view)> sink = {};  ///< where the drawing goes instead of standard error
  };

  /// `total` 0 or less: not known; the line then shows count, rate and elapsed time.
  Progress(std::int64_t total, std::string description, Options options);
  Progress(std::int64_t total, std::string description);
  /// Erases the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step(std::int64_t count = 1) { set(done_ + count); }
  /// For loops that know where they are, such as the callbacks of fit.
  void set(std::int64_t done);
  /// A few words behind the bar, shown at the next drawing.
  void note(std::string text) { note_ = std::move(text); }
  /// Erases the line, so that something else can be printed; the next drawing brings it back.
  void clear();
  /// Erases the line for good.
  void finish();

  std::int64_t done() const { return done_; }

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);
  void write(std::string_view text);
  std::int64_t total_, done_;
  std::string description_, note_;
  Options options_;
  bool active_, drawn_ = false, unicode_;
  Clock::time_point begun_, next_;
};

/// The line that Progress draws: done of total (0 or less: unknown) after `seconds`, of which `start` were there at the
/// beginning, cut to `width` columns.
///   training elu  42 %|████▏     | 21/50 [1.2 s, 1.7 s left, 17.5 batches/s] loss 0.31
std::string progress_line(std::string_view description, std::int64_t done, std::int64_t total, std::int64_t start,
                          double seconds, std::string_view unit, std::string_view note, std::size_t width,
                          bool unicode);

}  // namespace gradus::report
