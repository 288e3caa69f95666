#include "gradus/report/axis.hpp"

#include <array>

#include "gradus/core/format.hpp"
#include "gradus/report/text.hpp"

namespace gradus::report {
namespace {

std::string superscript(int value) {
  constexpr std::array<const char*, 10> digits{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string out;
  for (char c : std::to_string(value)) out += c == '-' ? "⁻" : digits[static_cast<std::size_t>(c - '0')];
  return out;
}

}  // namespace

// Advance widths of DejaVu Sans, the widest of the usual sans-serif fonts, in classes and in units of the font size.
double text_width(std::string_view text, double size) {
  double width = 0;
  std::size_t plain = 0;
  for (char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) continue;
    ++plain;
    if (std::string_view("iljI.,:;'|! ").find(c) != std::string_view::npos) {
      width += 0.33;
    } else if (std::string_view("frt()[]/-").find(c) != std::string_view::npos) {
      width += 0.41;
    } else if (std::string_view("mwMW@%+=<>").find(c) != std::string_view::npos) {
      width += 0.88;
    } else {
      width += 0.63;
    }
  }
  const std::size_t others = display_width(text);
  return size * (width + 0.66 * static_cast<double>(others > plain ? others - plain : 0));
}

std::vector<Tick> linear_ticks(double low, double high, double wanted) {
  const double rough = (high - low) / std::max(wanted, 1.0), power = std::pow(10, std::floor(std::log10(rough)));
  const double share = rough / power, step = (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10) * power;
  if (!std::isfinite(step) || step <= 0) return {};
  std::vector<Tick> ticks;
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  if (!(last - first < 1000)) return {};
  const double magnitude = std::max(std::abs(first), std::abs(last)) * step;
  // Round-off in log10(step) must not cost a digit.
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  const int exponent = magnitude > 0 ? static_cast<int>(std::floor(std::log10(magnitude) + 1e-9)) : 0;
  const bool scaled = magnitude >= 1e5 || (magnitude > 0 && magnitude < 1e-3);
  for (double i = first; i <= last; ++i) {
    const double at = i * step;
    std::string label;
    if (i == 0) {
      label = "0";
    } else if (scaled) {
      label = fmt::format("{}×10{}", format_fixed(at / std::pow(10, exponent), std::clamp(decimals + exponent, 0, 6)),
                          superscript(exponent));
    } else {
      label = format_fixed(at, std::min(decimals, 12));
    }
    if (label.starts_with('-')) label = "−" + label.substr(1);
    ticks.push_back({i == 0 ? 0 : at, label});
  }
  return ticks;
}

std::vector<Tick> log_ticks(double low, double high, double wanted) {
  const double decades = std::log10(high) - std::log10(low);
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
  std::vector<Tick> ticks;
  if (decades < 0.4) {
    ticks = linear_ticks(low, high, wanted);
    std::erase_if(ticks, [](const Tick& tick) { return tick.at <= 0; });
    return ticks;
  }
  const int every = std::max(1, static_cast<int>(std::ceil(decades / std::max(wanted, 2.0))));
  const auto label = [](int mantissa, int exponent) {
    if (exponent >= -3 && exponent <= 3)
      return exponent < 0 ? format_fixed(mantissa * std::pow(10, exponent), -exponent)
                          : fmt::format("{}", mantissa * static_cast<int>(std::lround(std::pow(10, exponent))));
    return mantissa == 1 ? "10" + superscript(exponent) : fmt::format("{}×10{}", mantissa, superscript(exponent));
  };
  // With few decades, 2 and 5 are named too; with very many, only every n-th power is.
  const bool few = decades < 2;
  // One style for the whole axis: either all powers are written out or none.
  const bool written_out = first >= -3 && last <= 4;
  for (int exponent = first; exponent <= last; ++exponent)
    for (int mantissa = 1; mantissa < 10; ++mantissa) {
      const double at = mantissa * std::pow(10, exponent);
      if (at < low * (1 - 1e-9) || at > high * (1 + 1e-9)) continue;
      const bool named = mantissa == 1 ? exponent % every == 0
                         : decades < 1 ? mantissa == 2 || mantissa == 3 || mantissa == 5 || mantissa == 7
                                       : few && (mantissa == 2 || mantissa == 5);
      if (!named && decades > 12) continue;
      ticks.push_back({at,
                       !named                         ? ""
                       : written_out || mantissa != 1 ? label(mantissa, exponent)
                                                      : "10" + superscript(exponent),
                       !named});
    }
  return ticks;
}

}  // namespace gradus::report
