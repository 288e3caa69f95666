#pragma once
// For source files of this room: axes of a plot, their ticks, and the room that texts take.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gradus::report {

// gnuplot takes numbers near the largest double for infinite.
inline constexpr double largest = 1e300, smallest_positive = 1e-300;

/// The width of a text in pixels at this font size, never less than what common sans-serif fonts need.
double text_width(std::string_view text, double size);

struct Tick {
  double at;
  std::string label;  // empty and minor: an unlabelled small one
  bool minor = false;
};

/// Steps of 1, 2 or 5 times a power of ten, about `wanted` of them.
std::vector<Tick> linear_ticks(double low, double high, double wanted);
/// Powers of ten, named as densely as `wanted` allows, and what lies between them; 0 < low < high.
std::vector<Tick> log_ticks(double low, double high, double wanted);

// The smallest interval that holds what it is shown.
struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    if (!(std::abs(value) <= largest)) return;
    low = std::min(low, value), high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

struct Axis {
  bool log = false;
  double low = 0, high = 1;
  std::vector<Tick> ticks;

  bool shows(double value) const { return std::abs(value) <= largest && (!log || value >= smallest_positive); }
  // 0 at the low end, 1 at the high one.
  double share(double value) const {
    return log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  }

  // Takes the data's extent with some room around it; never an empty interval, since gnuplot refuses those.
  void fit(Extent data, double room, const std::optional<std::pair<double, double>>& wanted) {
    if (data.empty()) data = log ? Extent{1, 10} : Extent{0, 1};
    low = data.low, high = data.high;
    if (log) {
      if (high / low < 1 + 1e-9) low /= 2, high *= 2;
      const double factor = std::pow(high / low, room);
      low = std::max(low / factor, smallest_positive), high = std::min(high * factor, largest);
    } else {
      const double magnitude = std::max(std::abs(low), std::abs(high));
      if (high - low <= 1e-9 * magnitude || high == low) {
        const double half = magnitude > 0 ? 0.1 * magnitude : 1;
        low -= half, high += half;
      }
      const double margin = room * (high - low);
      low = std::max(low - margin, -largest), high = std::min(high + margin, largest);
    }
    if (wanted) low = wanted->first, high = wanted->second;
  }
};

}  // namespace gradus::report
