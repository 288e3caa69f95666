#pragma once
// Text helpers shared by tables, plots and pages: UTF-8 widths, escaping, and numbers as a person wants to read them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gradus::report {

/// The number of terminal columns of UTF-8 text: combining marks take none, East Asian wide characters and emoji take
/// two.
std::size_t display_width(std::string_view text);

/// Valid UTF-8: broken sequences and control characters other than tab and newline become U+FFFD.
std::string clean_utf8(std::string_view text);

/// Text for HTML or XML, in an element or in a quoted attribute: &, <, >, " and ' are escaped, broken UTF-8 is
/// repaired.
std::string escape_html(std::string_view text);

/// A field as RFC 4180 wants it: quoted when it holds a comma, a quote or a line break, quotes doubled.
std::string escape_csv(std::string_view field);

/// The records of a CSV text (RFC 4180, line ends \n or \r\n). `complete` receives the number of bytes up to the end of
/// the last record that ends with a line break; `record_ends`, if given, the offset behind each such record. A last
/// record without a line break is part of the result only when `complete` is null.
std::vector<std::vector<std::string>> parse_csv(std::string_view text, std::size_t* complete = nullptr,
                                                std::vector<std::size_t>* record_ends = nullptr);

/// `value` with so many significant digits, trailing zeros kept: 0.1235, 12.00, 1.235e-05; "nan", "inf", "-inf".
std::string format_number(double value, int significant = 4);

/// `value` with so many digits behind the point.
std::string format_fixed(double value, int decimals);

/// "0.4123 ± 0.0031": the spread with two significant digits, the mean to the same place. Numbers far from one share an
/// exponent:
/// "(1.234 ± 0.012)e-08". A spread that does not exist (one run) is shown as "n/a".
std::string plus_minus(double mean, double spread, int spread_digits = 2);

/// The same in percent: plus_minus_percent(0.9871, 0.0012) = "98.71 ± 0.12 %".
std::string plus_minus_percent(double mean, double spread, int spread_digits = 2);

/// "45 ms", "12.3 s", "4 min 05 s", "2 h 03 min", "3 d 04 h"; "?" when not finite or negative.
std::string format_duration(double seconds);

/// Shortest text that reads back as the same double; "nan", "inf", "-inf".
std::string round_trip(double value);

}  // namespace gradus::report
