#include "gradus/report/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>

#include "gradus/core/format.hpp"
#include "gradus/report/text.hpp"

namespace gradus::report {
namespace {

bool terminal_on_standard_error() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) && (!kind || std::string_view(kind) != "dumb");
}

bool locale_is_utf8() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"})
    if (const char* value = std::getenv(variable); value && *value) {
      const std::string_view text = value;
      return text.find("UTF-8") != text.npos || text.find("utf8") != text.npos || text.find("UTF8") != text.npos ||
             text.find("utf-8") != text.npos;
    }
  return false;
}

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bar(double share, int cells, bool unicode) {
  std::string out;
  if (!unicode) {
    const int full = static_cast<int>(share * cells);
    return std::string(full, '#') + std::string(cells - full, '.');
  }
  constexpr const char* eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int parts = static_cast<int>(share * cells * 8);
  for (int i = 0; i < parts / 8; ++i) out += "█";
  out += eighths[parts % 8];
  return out + std::string(cells - parts / 8 - (parts % 8 ? 1 : 0), ' ');
}

std::string rate_text(double rate, std::string_view unit) {
  if (!std::isfinite(rate) || rate <= 0) return fmt::format("? {}/s", unit);
  if (rate >= 1e4) return fmt::format("{:.0f} {}/s", rate, unit);
  if (rate >= 1) return fmt::format("{} {}/s", format_number(rate, 3), unit);
  return fmt::format("{} s/{}", format_number(1 / rate, 3), unit);
}

// At most `width` columns, never cutting through a character.
std::string cut(std::string text, std::size_t width) {
  while (!text.empty() && display_width(text) > width) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    if (!text.empty()) text.pop_back();
  }
  return text;
}

}  // namespace

std::string progress_line(std::string_view description, std::int64_t done, std::int64_t total, std::int64_t start,
                          double seconds, std::string_view unit, std::string_view note, std::size_t width,
                          bool unicode) {
  const double rate = seconds > 0 ? static_cast<double>(done - start) / seconds : 0;
  std::string line;
  if (total > 0) {
    const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
    const std::string left =
        rate > 0 ? format_duration(static_cast<double>(std::max<std::int64_t>(total - done, 0)) / rate) : "?";
    const std::string tail =
        fmt::format(" {}/{} [{}, {} left, {}]", done, total, format_duration(seconds), left, rate_text(rate, unit));
    const std::string head =
        fmt::format("{}{}{:3d} %|", description, description.empty() ? "" : " ", static_cast<int>(100 * share));
    const auto used = static_cast<int>(display_width(head) + display_width(tail) + display_width(note)) + 2;
    const int cells = std::clamp(static_cast<int>(width) - used, 5, 30);
    line = head + bar(share, cells, unicode) + '|' + tail;
  } else {
    line = fmt::format("{}{}{} {} [{}, {}]", description, description.empty() ? "" : ": ", done, unit,
                       format_duration(seconds), rate_text(rate, unit));
  }
  if (!note.empty()) line += fmt::format(" {}", note);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return cut(clean_utf8(line), width);
}

Progress::Progress(std::int64_t total, std::string description, Options options)
    : total_(total),
      done_(options.start),
      description_(std::move(description)),
      options_(std::move(options)),
      active_(options_.force < 0 ? !options_.sink && terminal_on_standard_error() : options_.force != 0),
      unicode_(locale_is_utf8()),
      begun_(Clock::now()),
      next_(begun_ +
            std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds_between))) {}

Progress::Progress(std::int64_t total, std::string description) : Progress(total, std::move(description), Options{}) {}

Progress::~Progress() {
  try {
    finish();
  } catch (...) {  // a sink that throws must not end the program
  }
}

void Progress::set(std::int64_t done) {
  done_ = done;
  if (!active_) return;
  if (const auto now = Clock::now(); now >= next_) draw(now);
}

void Progress::clear() {
  if (drawn_) write("\r\x1b[2K");
  drawn_ = false;
}

void Progress::finish() {
  clear();
  active_ = false;
}

void Progress::draw(Clock::time_point now) {
  next_ = now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds_between));
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  // The last column stays free: some terminals wrap when it is filled.
  const std::size_t width = std::max<std::size_t>(terminal_width(), 21) - 1;
  write("\r" +
        progress_line(description_, done_, total_, options_.start, seconds, options_.unit, note_, width, unicode_) +
        "\x1b[K");
  drawn_ = true;
}

void Progress::write(std::string_view text) {
  if (options_.sink) return options_.sink(text);
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {  // nobody listens any more
      active_ = false;
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace gradus::report
