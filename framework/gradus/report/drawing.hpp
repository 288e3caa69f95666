#pragma once
// For source files of this room: a figure as gnuplot commands.
#include <string>

#include "gradus/report/plot.hpp"

namespace gradus::report {

/// Commands that draw the figure to gnuplot's standard output, whatever came before them in the same session.
std::string drawing_commands(const Figure& figure, ImageFormat format);

}  // namespace gradus::report
