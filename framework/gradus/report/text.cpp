#include "gradus/report/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "gradus/core/format.hpp"

namespace gradus::report {
namespace {

constexpr char32_t replacement = 0xFFFD;

// The code point at text[at]; moves `at` behind it. A broken sequence is one replacement character per byte.
char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return text[at++];
  const int more = first >= 0xF0 && first < 0xF5   ? 3
                   : first >= 0xE0 && first < 0xF0 ? 2
                   : first >= 0xC2 && first < 0xE0 ? 1
                                                   : 0;
  if (more == 0 || at + more >= text.size()) return ++at, replacement;
  char32_t code = first & (0x3F >> more);
  for (int i = 1; i <= more; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return ++at, replacement;
    code = code << 6 | (byte(at + i) & 0x3F);
  }
  const bool overlong = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return ++at, replacement;
  at += more + 1;
  return code;
}

void append_utf8(std::string& out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

struct Range {
  char32_t first, last;
};

// The common zero-width and wide blocks of Unicode 15 (EastAsianWidth.txt, general categories Mn, Me and Cf).
constexpr Range zero_width[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},  {0x0610, 0x061A},
                                {0x064B, 0x065F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},  {0x200B, 0x200F},
                                {0x202A, 0x202E}, {0x2060, 0x2064}, {0x20D0, 0x20FF},  {0xFE00, 0xFE0F},
                                {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF}};
constexpr Range wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
                          {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},
                          {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
                          {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};

template <std::size_t n>
bool within(char32_t code, const Range (&ranges)[n]) {
  const Range* r = std::lower_bound(ranges, ranges + n, code, [](const Range& a, char32_t c) { return a.last < c; });
  return r != ranges + n && code >= r->first;
}

std::string special(double value) { return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"; }

// The place of the leading digit: 0 for 1..9.99, -2 for 0.012.
int exponent10(double value) {
  const std::string text = fmt::format("{:.15e}", std::abs(value));
  return std::stoi(text.substr(text.find('e') + 1));
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code = next_code_point(text, at);
    if (code < 0x20 || within(code, zero_width)) continue;
    width += within(code, wide) ? 2 : 1;
  }
  return width;
}

std::string clean_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code = next_code_point(text, at);
    const bool control =
        (code < 0x20 && code != '\t' && code != '\n') || (code >= 0x7F && code < 0xA0) || (code & ~1u) == 0xFFFE;
    append_utf8(out, control ? replacement : code);
  }
  return out;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : clean_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escape_csv(std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(field);
  std::string out = "\"";
  for (char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::vector<std::vector<std::string>> parse_csv(std::string_view text, std::size_t* complete,
                                                std::vector<std::size_t>* record_ends) {
  std::vector<std::vector<std::string>> records;
  std::vector<std::string> record;
  std::string field;
  bool quoted = false, was_quoted = false, begun = false;
  std::size_t end = 0;
  const auto finish = [&] {
    record.push_back(std::move(field));
    records.push_back(std::move(record));
    field.clear(), record.clear(), begun = was_quoted = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    begun = true;
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += c, ++i;
      } else {
        quoted = false;
      }
    } else if (c == '"' && field.empty() && !was_quoted) {
      quoted = was_quoted = true;
    } else if (c == ',') {
      record.push_back(std::move(field));
      field.clear(), was_quoted = false;
    } else if (c == '\n') {
      if (!was_quoted && !field.empty() && field.back() == '\r') field.pop_back();
      finish();
      end = i + 1;
      if (record_ends) record_ends->push_back(end);
    } else if (!(was_quoted && c == '\r' && i + 1 < text.size() && text[i + 1] == '\n')) {
      field += c;
    }
  }
  if (complete) {
    *complete = end;
  } else if (begun) {
    finish();
  }
  return records;
}

std::string format_number(double value, int significant) {
  if (!std::isfinite(value)) return special(value);
  const int digits = std::clamp(significant, 1, 17);
  const std::string scientific = fmt::format("{:.{}e}", value, digits - 1);
  // The exponent after rounding decides, as in printf's %g.
  const int place = std::stoi(scientific.substr(scientific.find('e') + 1));
  return place < -4 || place >= digits ? scientific : fmt::format("{:.{}f}", value, digits - 1 - place);
}

std::string format_fixed(double value, int decimals) {
  if (!std::isfinite(value)) return special(value);
  std::string text = fmt::format("{:.{}f}", value, std::max(decimals, 0));
  // -0.00 says nothing that 0.00 does not.
  if (text.starts_with('-') && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

std::string plus_minus(double mean, double spread, int spread_digits) {
  if (!std::isfinite(mean)) return special(mean);
  if (!std::isfinite(spread)) return format_number(mean) + " ± n/a";
  spread = std::abs(spread);
  if (mean == 0 && spread == 0) return "0 ± 0";
  const int place = exponent10(std::max(std::abs(mean), spread));
  const bool scaled = place < -4 || place >= 6;
  const double scale = scaled ? std::pow(10.0, place) : 1.0;
  const int spread_place = spread > 0 ? exponent10(spread) : place - 2;
  const int decimals = std::clamp(std::max(spread_digits, 1) - 1 - spread_place + (scaled ? place : 0), 0, 15);
  const std::string number = format_fixed(mean / scale, decimals),
                    error = spread > 0 ? format_fixed(spread / scale, decimals) : "0";
  return scaled ? fmt::format("({} ± {})e{:+03d}", number, error, place) : fmt::format("{} ± {}", number, error);
}

std::string plus_minus_percent(double mean, double spread, int spread_digits) {
  return plus_minus(100 * mean, 100 * spread, spread_digits) + " %";
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 0.0995) return fmt::format("{:.{}f} ms", 1e3 * seconds, seconds < 0.00995 ? 1 : 0);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::min(std::round(seconds), 1e15));
  if (whole < 3600) return fmt::format("{} min {:02d} s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{} h {:02d} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {:02d} h", whole / 86400, whole / 3600 % 24);
}

std::string round_trip(double value) {
  if (!std::isfinite(value)) return special(value);
  char buffer[32];
  return std::string(buffer, std::to_chars(buffer, std::end(buffer), value).ptr);
}

}  // namespace gradus::report
