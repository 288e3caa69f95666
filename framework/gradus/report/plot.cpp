#include "gradus/report/plot.hpp"

#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/report/axis.hpp"
#include "gradus/report/drawing.hpp"
#include "gradus/report/files.hpp"
#include "gradus/report/gnuplot.hpp"
#include "gradus/report/svg.hpp"

namespace gradus::report {
namespace {

void check_sizes(const char* operation, const std::string& label, std::size_t x, std::size_t y) {
  if (x != y) failf(operation, "\"{}\" has {} x and {} y; each point needs both", label, x, y);
}

Band without_spread(std::vector<double> values) { return {std::move(values), {}, {}}; }

void check_band(const char* operation, const std::string& label, const Band& band) {
  if (band.lower.size() != band.upper.size() || (!band.lower.empty() && band.lower.size() != band.center.size()))
    failf(operation, "the band of \"{}\" has {} centers, {} lower and {} upper ends", label, band.center.size(),
          band.lower.size(), band.upper.size());
}

// Cuts gnuplot's output into the images that were asked for.
std::vector<std::string> split(const std::string& output, std::span<const Rendering> renderings) {
  std::vector<std::string> images;
  std::size_t at = 0;
  const auto broken = [] {
    fail("gnuplot", "its output is not the images it was asked for; hint: gnuplot 5.2 or newer is needed");
  };
  for (const Rendering& rendering : renderings) {
    if (rendering.format == ImageFormat::svg) {
      const std::size_t begin = output.find("<?xml", at);
      const std::size_t end = begin == output.npos ? begin : output.find("</svg>", begin);
      if (end == output.npos) broken();
      at = end + 6;
      images.push_back(tidy_svg(std::string_view(output).substr(begin, at - begin), rendering.figure->title()));
    } else {
      const std::size_t begin = output.find("\x89PNG\r\n\x1a\n", at);
      if (begin == output.npos) broken();
      // Chunks: length (big-endian), type, data, checksum; the last one is IEND.
      for (at = begin + 8;;) {
        if (at + 12 > output.size()) broken();
        std::size_t length = 0;
        for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(output[at + i]);
        const bool last = output.compare(at + 4, 4, "IEND") == 0;
        if (length > output.size() - at - 12) broken();
        at += 12 + length;
        if (last) break;
      }
      images.push_back(output.substr(begin, at - begin));
    }
  }
  return images;
}

}  // namespace

Panel& Panel::title(std::string text) { return title_ = std::move(text), *this; }
Panel& Panel::x_label(std::string text) { return x_label_ = std::move(text), *this; }
Panel& Panel::y_label(std::string text) { return y_label_ = std::move(text), *this; }
Panel& Panel::log_x() { return log_x_ = true, *this; }
Panel& Panel::log_y() { return log_y_ = true, *this; }

Panel& Panel::x_range(double low, double high) {
  if (!(low < high && std::abs(low) <= largest && std::abs(high) <= largest))
    failf("Panel::x_range", "needs low < high, got {} and {}", low, high);
  return x_range_ = {low, high}, *this;
}

Panel& Panel::y_range(double low, double high) {
  if (!(low < high && std::abs(low) <= largest && std::abs(high) <= largest))
    failf("Panel::y_range", "needs low < high, got {} and {}", low, high);
  return y_range_ = {low, high}, *this;
}

Panel& Panel::categories(std::vector<std::string> names) { return categories_ = std::move(names), *this; }

Panel& Panel::add(Kind kind, const std::string& label, std::vector<double> x, Band band, Style style) {
  const bool intervals = kind == Kind::interval;
  if (matrix_) fail("Panel", "a heat map shares its panel with nothing else; hint: figure.panel() starts a new one");
  if (!series_.empty() && intervals != (series_.front().kind == Kind::interval))
    fail("Panel",
         "intervals (a forest plot) and other series cannot share a panel; hint: figure.panel() starts a new one");
  series_.push_back({kind, label, std::move(x), std::move(band), std::move(style)});
  return *this;
}

Panel& Panel::line(const std::string& label, std::vector<double> x, std::vector<double> y, Style style) {
  return line(label, std::move(x), without_spread(std::move(y)), std::move(style));
}

Panel& Panel::line(const std::string& label, std::vector<double> x, Band band, Style style) {
  check_band("Panel::line", label, band);
  check_sizes("Panel::line", label, x.size(), band.center.size());
  return add(Kind::line, label, std::move(x), std::move(band), std::move(style));
}

Panel& Panel::points(const std::string& label, std::vector<double> x, std::vector<double> y, Style style) {
  return points(label, std::move(x), without_spread(std::move(y)), std::move(style));
}

Panel& Panel::points(const std::string& label, std::vector<double> x, Band band, Style style) {
  check_band("Panel::points", label, band);
  check_sizes("Panel::points", label, x.size(), band.center.size());
  return add(Kind::points, label, std::move(x), std::move(band), std::move(style));
}

Panel& Panel::bars(const std::string& label, std::vector<double> heights, Style style) {
  return bars(label, without_spread(std::move(heights)), std::move(style));
}

Panel& Panel::bars(const std::string& label, Band band, Style style) {
  check_band("Panel::bars", label, band);
  if (band.center.size() != categories_.size())
    failf("Panel::bars", "\"{}\" has {} bars, but there are {} categories; hint: call categories() first", label,
          band.center.size(), categories_.size());
  std::vector<double> x(band.center.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i);
  return add(Kind::bars, label, std::move(x), std::move(band), std::move(style));
}

Panel& Panel::interval(const std::string& name, Interval interval, Style style) {
  return add(Kind::interval, name, {}, {{interval.center}, {interval.lower}, {interval.upper}}, std::move(style));
}

Panel& Panel::heat_map(std::vector<double> values, std::size_t rows, std::size_t columns, HeatMap options) {
  if (!series_.empty() || matrix_)
    fail("Panel::heat_map", "shares its panel with nothing else; hint: figure.panel() starts a new one");
  if (columns != 0 && (rows > values.size() / columns || rows * columns != values.size()))
    failf("Panel::heat_map", "{} values do not fill {} rows of {} columns", values.size(), rows, columns);
  if (columns == 0 && !values.empty())
    failf("Panel::heat_map", "{} values do not fill {} rows of 0 columns", values.size(), rows);
  if (!options.row_names.empty() && options.row_names.size() != rows)
    failf("Panel::heat_map", "{} names for {} rows", options.row_names.size(), rows);
  if (!options.column_names.empty() && options.column_names.size() != columns)
    failf("Panel::heat_map", "{} names for {} columns", options.column_names.size(), columns);
  for (const auto& span : {options.x_span, options.y_span})
    if (span && !(std::abs(span->first) <= largest && std::abs(span->second) <= largest && span->first < span->second))
      failf("Panel::heat_map", "a span needs low < high, got {} and {}", span->first, span->second);
  matrix_ = Matrix{std::move(values), rows, columns, std::move(options)};
  return *this;
}

Panel& Panel::vertical(double x, std::string label) { return verticals_.push_back({x, std::move(label)}), *this; }
Panel& Panel::horizontal(double y, std::string label) { return horizontals_.push_back({y, std::move(label)}), *this; }
Panel& Panel::diagonal() { return diagonal_ = true, *this; }

Figure::Figure(std::string title) : title_(std::move(title)) {}

Panel& Figure::panel(std::string title) {
  panels_.emplace_back();
  return panels_.back().title(std::move(title));
}

Figure& Figure::columns(std::size_t count) {
  if (count == 0) fail("Figure::columns", "needs at least one column");
  return columns_ = count, *this;
}

Figure& Figure::width(int pixels) {
  if (pixels < 200 || pixels > 10000) failf("Figure::width", "needs 200 to 10000 pixels, got {}", pixels);
  return width_ = pixels, *this;
}

Figure& Figure::panel_height(int pixels) {
  if (pixels < 80 || pixels > 10000) failf("Figure::panel_height", "needs 80 to 10000 pixels, got {}", pixels);
  return panel_height_ = pixels, *this;
}

Figure& Figure::palette(std::vector<std::string> labels) { return palette_ = std::move(labels), *this; }

std::vector<std::string> render(std::span<const Rendering> renderings) {
  if (renderings.empty()) return {};
  std::string script;
  for (const Rendering& rendering : renderings) script += drawing_commands(*rendering.figure, rendering.format);
  return split(run_gnuplot(script), renderings);
}

std::string Figure::svg() const {
  const Rendering one[] = {{this, ImageFormat::svg}};
  return std::move(render(one).front());
}

std::string Figure::png() const {
  const Rendering one[] = {{this, ImageFormat::png}};
  return std::move(render(one).front());
}

void Figure::save_svg(const std::string& path) const { write_file_atomically(path, svg()); }
void Figure::save_png(const std::string& path) const { write_file_atomically(path, png()); }

void save_figures(const std::string& folder, const std::vector<std::pair<std::string, const Figure*>>& figures) {
  std::vector<Rendering> renderings;
  for (const auto& [name, figure] : figures) {
    renderings.push_back({figure, ImageFormat::svg});
    renderings.push_back({figure, ImageFormat::png});
  }
  const std::vector<std::string> images = render(renderings);
  create_folder(folder);
  for (std::size_t i = 0; i < figures.size(); ++i) {
    write_file_atomically(folder + "/" + figures[i].first + ".svg", images[2 * i]);
    write_file_atomically(folder + "/" + figures[i].first + ".png", images[2 * i + 1]);
  }
}

}  // namespace gradus::report
