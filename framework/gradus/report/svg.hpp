#pragma once
// For source files of this room: what is done to gnuplot's SVG.
#include <string>
#include <string_view>

namespace gradus::report {

/// gnuplot's SVG without what nobody uses: unused markers, empty groups, titles such as "gnuplot_plot_1" that browsers
/// show as tool tips.
std::string tidy_svg(std::string_view raw, std::string_view title);

}  // namespace gradus::report
