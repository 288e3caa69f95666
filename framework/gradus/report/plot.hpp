#pragma once
// Figures: a title, a legend outside the data, and one or more panels. Drawn by gnuplot as SVG or PNG.
//
//   Figure figure("Test loss over three seeds");
//   figure.panel().x_label("epoch").y_label("loss").log_y().line("relu", epochs, band(runs));
//   figure.save_svg("loss.svg");
//
// A label has the same color, dash and marker wherever it appears; the names of activations keep theirs in every figure
// of every program. Colors are those of Okabe and Ito (2008), which people with color-blindness tell apart. Values that
// are not finite, or not positive on a log axis, leave gaps.
#include <cstddef>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradus/report/statistics.hpp"

namespace gradus::report {

enum class Dash { automatic, solid, dashed, dotted, dash_dot, long_dash };

struct Style {
  std::string like = {};        ///< takes color and marker of this label: {.like = "relu", .dash = Dash::dotted}
  Dash dash = Dash::automatic;  ///< automatic: the label's own
  double width = 2;             ///< of a line, in pixels
};

struct HeatMap {
  std::string label = {};                   ///< beside the color bar
  std::vector<std::string> row_names = {};  ///< empty: 0, 1, 2, ...
  std::vector<std::string> column_names = {};
  double low = std::numeric_limits<double>::quiet_NaN();   ///< value of the first color; NaN: the smallest there is
  double high = std::numeric_limits<double>::quiet_NaN();  ///< value of the last color; NaN: the largest
  bool diverging = false;                                  ///< blue - white - red around 0 instead of dark to bright
  bool log = false;                                        ///< colors by the logarithm
  bool numbers = false;                                    ///< writes the value into every cell
  /// Axis values at the centers of the first and the last row and column, for functions on a plane; row 0 is then at
  /// the bottom. Unset: a matrix, row 0 at the top.
  std::optional<std::pair<double, double>> x_span = {};
  std::optional<std::pair<double, double>> y_span = {};
};

class Panel {
 public:
  Panel& title(std::string text);
  Panel& x_label(std::string text);
  Panel& y_label(std::string text);
  Panel& log_x();
  Panel& log_y();
  Panel& x_range(double low, double high);
  Panel& y_range(double low, double high);
  /// Names for the places x = 0, 1, 2, ...; needed by bars, usable with lines and points.
  Panel& categories(std::vector<std::string> names);

  /// An empty label keeps the series out of the legend. x and the values have equal sizes, or it throws.
  Panel& line(const std::string& label, std::vector<double> x, std::vector<double> y, Style style = {});
  /// A line at the band's center with the band around it.
  Panel& line(const std::string& label, std::vector<double> x, Band band, Style style = {});
  Panel& points(const std::string& label, std::vector<double> x, std::vector<double> y, Style style = {});
  /// Points with error bars from lower to upper.
  Panel& points(const std::string& label, std::vector<double> x, Band band, Style style = {});
  /// One bar per category; several calls stand side by side. With an empty label each bar has the color of its
  /// category.
  Panel& bars(const std::string& label, std::vector<double> heights, Style style = {});
  Panel& bars(const std::string& label, Band band, Style style = {});
  /// One line of a forest plot: name, point, interval, and its numbers at the right. A panel with intervals holds
  /// nothing else but vertical references.
  Panel& interval(const std::string& name, Interval interval, Style style = {});
  /// values: (rows, columns), row-major. A panel with a heat map holds nothing else but references.
  Panel& heat_map(std::vector<double> values, std::size_t rows, std::size_t columns, HeatMap options = {});
  /// A grey reference line; its label stands outside the data, above or to the right.
  Panel& vertical(double x, std::string label = {});
  Panel& horizontal(double y, std::string label = {});
  /// The grey line y = x.
  Panel& diagonal();

 private:
  friend struct Drawing;
  enum class Kind { line, points, bars, interval };
  struct Series {
    Kind kind;
    std::string label;
    std::vector<double> x;
    Band band;  // lower and upper empty: none
    Style style;
  };
  struct Reference {
    double at;
    std::string label;
  };
  struct Matrix {
    std::vector<double> values;
    std::size_t rows, columns;
    HeatMap options;
  };
  Panel& add(Kind kind, const std::string& label, std::vector<double> x, Band band, Style style);
  std::string title_, x_label_, y_label_;
  bool log_x_ = false, log_y_ = false, diagonal_ = false;
  std::optional<std::pair<double, double>> x_range_, y_range_;
  std::vector<std::string> categories_;
  std::vector<Series> series_;
  std::vector<Reference> verticals_, horizontals_;
  std::optional<Matrix> matrix_;
};

class Figure {
 public:
  explicit Figure(std::string title = {});

  /// Adds a panel. The reference stays valid as long as the figure.
  Panel& panel(std::string title = {});
  /// Panels per row; by default 1 panel stands alone, 2 and 4 in twos, 3 and more in threes.
  Figure& columns(std::size_t count);
  /// Pixels of the whole figure (by default 720, 960 or 1080 for one, two or three columns), and of one panel's height
  /// (300; as many as the rows need for intervals).
  Figure& width(int pixels);
  Figure& panel_height(int pixels);
  /// Labels in the order in which they choose their colors, for figures that show different parts of one set.
  Figure& palette(std::vector<std::string> labels);

  const std::string& title() const { return title_; }

  /// A standalone SVG document.
  std::string svg() const;
  /// A PNG image, two pixels of it per pixel of the SVG.
  std::string png() const;
  void save_svg(const std::string& path) const;
  void save_png(const std::string& path) const;

 private:
  friend struct Drawing;
  std::string title_;
  std::deque<Panel> panels_;
  std::size_t columns_ = 0;
  int width_ = 0, panel_height_ = 0;
  std::vector<std::string> palette_;
};

enum class ImageFormat { svg, png };
struct Rendering {
  const Figure* figure;
  ImageFormat format;
};
/// All images by one gnuplot process.
std::vector<std::string> render(std::span<const Rendering> renderings);

/// Writes folder/name.svg and folder/name.png for every figure, by one gnuplot process.
void save_figures(const std::string& folder, const std::vector<std::pair<std::string, const Figure*>>& figures);

/// A standalone SVG made fit for a web page: no prolog, no fixed size, every id preceded by `prefix` so that several
/// pictures of one page do not clash, and `alt` for those who cannot see it.
std::string inline_svg(std::string_view svg, std::string_view prefix, std::string_view alt);

}  // namespace gradus::report
