#pragma once
#include "results.hpp"

namespace study {

// The final comparison as text.
std::string console_table(const Settings& settings, const std::vector<Comparison>& comparisons);

// Writes the figures (SVG and PNG, in figures/) and report.html.
void write_report(const Settings& settings, const Parts& parts, const Results& results, const std::vector<Comparison>& comparisons);

}  // namespace study
