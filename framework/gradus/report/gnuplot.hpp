#pragma once
// For source files of this room: gnuplot as a child process.
#include <string>
#include <string_view>

namespace gradus::report {

/// Runs gnuplot (without a shell, without the user's start-up files) on `script` and returns what it wrote to its
/// standard output. Throws Error when gnuplot is not installed, fails (with its own words) or takes longer than
/// `seconds`, after which it is ended.
std::string run_gnuplot(std::string_view script, double seconds = 120);

/// Text as a gnuplot literal. Single quotes: neither escapes nor substitutions happen inside. Where gnuplot
/// cannot read apostrophes, first or next to each other, they become primes.
std::string gnuplot_quote(std::string_view text);

}  // namespace gradus::report
