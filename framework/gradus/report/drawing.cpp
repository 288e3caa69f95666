#include "gradus/report/drawing.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "gradus/core/format.hpp"
#include "gradus/report/axis.hpp"
#include "gradus/report/gnuplot.hpp"
#include "gradus/report/text.hpp"

namespace gradus::report {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

// ---------------------------------------------------------------------------------------------------------------------
// Looks. Sizes are in pixels of the SVG.
constexpr double font_size = 13, small_font_size = 11.5, title_font_size = 16, line_height = 19;
constexpr auto ink = "#333333", grid_color = "#e4e4e4", reference_color = "#7a7a7a", missing_color = "#ececec";
constexpr auto font = "sans-serif";

// Okabe and Ito's palette. Its yellow is left out: on white nobody sees it.
constexpr std::array<const char*, 7> colors{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                            "#E69F00", "#56B4E9", "#404040"};
constexpr std::array<const char*, 5> dashes{"1", "(8,6)", "(1,5)", "(10,5,1,5)", "(16,6)"};
constexpr std::array<int, 6> markers{7, 5, 9, 13, 11, 6};  // disc, square, triangle, diamond, triangle down, circle

// Places in the palette that names keep in every figure of every program.
const std::map<std::string, std::size_t, std::less<>>& known_labels() {
  static const std::map<std::string, std::size_t, std::less<>> known{
      {"relu", 0},       {"elu", 1},     {"gelu", 2},      {"tanh", 3},   {"selu", 4},       {"silu", 5},
      {"identity", 6},   {"sigmoid", 8}, {"mish", 9},      {"celu", 10},  {"softplus", 11},  {"leaky_relu", 12},
      {"gelu_tanh", 13}, {"prelu", 15},  {"softsign", 17}, {"theory", 6}, {"prediction", 6}, {"predicted", 6}};
  return known;
}

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

struct Look {
  const char* color;
  const char* dash;
  int marker;
};

Look look_of(std::size_t place) {
  const std::size_t turn = place + place / colors.size();  // the second round through the colors has other dashes
  return {colors[place % colors.size()], dashes[turn % dashes.size()], markers[turn % markers.size()]};
}

// ---------------------------------------------------------------------------------------------------------------------
// Numbers and texts

std::string number(double value) { return round_trip(value); }

// Tick labels are formats to gnuplot.
std::string tick_quote(std::string_view text) {
  std::string doubled;
  for (char c : text) {
    doubled += c;
    if (c == '%') doubled += c;
  }
  return gnuplot_quote(doubled);
}

// ---------------------------------------------------------------------------------------------------------------------
// Data for gnuplot

// Rows of numbers, with blank lines where the curve is interrupted.
struct Rows {
  std::string text;
  std::size_t count = 0;
  void add(std::initializer_list<double> values) {
    for (double value : values) text += number(value) + ' ';
    text.back() = '\n';
    ++count;
  }
  void gap() {
    if (count > 0 && !text.ends_with("\n\n")) text += '\n';
  }
};

// A curve of more points than a figure has pixels keeps the extremes of each bucket, so that it looks the same.
constexpr std::size_t most_points = 6000;

void add_curve(Rows& rows, std::span<const double> x, std::span<const double> y) {
  const std::size_t n = x.size();
  if (n == 0) return;
  rows.gap();
  if (n == 1) rows.add({x[0], y[0]});  // twice the same point: with round ends this is a dot
  const std::size_t bucket = n > most_points ? (n + most_points / 4 - 1) / (most_points / 4) : 1;
  for (std::size_t begin = 0; begin < n; begin += bucket) {
    const std::size_t end = std::min(begin + bucket, n);
    if (bucket < 4) {
      for (std::size_t i = begin; i < end; ++i) rows.add({x[i], y[i]});
      continue;
    }
    const auto [low, high] = std::minmax_element(y.begin() + static_cast<std::ptrdiff_t>(begin),
                                                 y.begin() + static_cast<std::ptrdiff_t>(end));
    std::array<std::size_t, 4> kept{begin, static_cast<std::size_t>(low - y.begin()),
                                    static_cast<std::size_t>(high - y.begin()), end - 1};
    std::sort(kept.begin(), kept.end());
    for (std::size_t i = 0; i < 4; ++i)
      if (i == 0 || kept[i] != kept[i - 1]) rows.add({x[kept[i]], y[kept[i]]});
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Color maps: viridis (van der Walt and Smith 2015) and RdBu (Brewer and Harrower 2003), nine colors of each.
constexpr std::array<std::array<int, 3>, 9> viridis{{{68, 1, 84},
                                                     {71, 44, 122},
                                                     {59, 81, 139},
                                                     {44, 113, 142},
                                                     {33, 144, 141},
                                                     {39, 173, 129},
                                                     {92, 200, 99},
                                                     {170, 220, 50},
                                                     {253, 231, 37}}};
constexpr std::array<std::array<int, 3>, 9> blue_red{{{33, 102, 172},
                                                      {67, 147, 195},
                                                      {146, 197, 222},
                                                      {209, 229, 240},
                                                      {247, 247, 247},
                                                      {253, 219, 199},
                                                      {244, 165, 130},
                                                      {214, 96, 77},
                                                      {178, 24, 43}}};

std::string palette_command(bool diverging) {
  const auto& map = diverging ? blue_red : viridis;
  std::string out = "set palette defined (";
  for (std::size_t i = 0; i < map.size(); ++i)
    out += fmt::format("{}{} '#{:02x}{:02x}{:02x}'", i > 0 ? ", " : "", i, map[i][0], map[i][1], map[i][2]);
  return out + ")\n";
}

bool is_dark(double share, bool diverging) {
  const auto& map = diverging ? blue_red : viridis;
  const double at = std::clamp(share, 0.0, 1.0) * (map.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(at), map.size() - 2);
  double luminance = 0;
  constexpr std::array<double, 3> weight{0.299, 0.587, 0.114};
  for (std::size_t i = 0; i < 3; ++i)
    luminance += weight[i] * (map[below][i] + (at - static_cast<double>(below)) * (map[below + 1][i] - map[below][i]));
  return luminance < 140;
}

}  // namespace

// The drawing: lays out one figure by itself (gnuplot cannot know how wide a browser's text is) and writes its
// commands.
struct Drawing {
  struct Layout {
    Axis x, y;
    double left = 0, right = 0, top = 0, bottom = 0;  // margins inside the panel's place
    double x0 = 0, x1 = 0, y0 = 0, y1 = 0;            // the frame, from the figure's top left corner
    double height = 300;
    bool rotated = false;  // x tick labels
  };

  struct Entry {  // of the legend
    std::string label;
    Look look;
    Panel::Kind kind;
    bool band, marked;
    double width;
  };

  const Figure& figure;
  std::map<std::string, std::size_t> places;  // label -> palette
  std::vector<Layout> layouts;
  std::vector<Entry> legend;
  double width = 0, height = 0, legend_top = 0;
  std::vector<std::vector<std::size_t>> legend_rows;
  std::size_t columns = 1;
  std::string out;
  int blocks = 0;

  explicit Drawing(const Figure& f) : figure(f) {
    choose_colors();
    collect_legend();
    lay_out();
  }

  // -- colors
  // ----------------------------------------------------------------------------------------------------------
  static bool individually_colored(const Panel& panel, const Panel::Series& series) {
    return series.kind == Panel::Kind::bars && series.label.empty() && !panel.categories_.empty();
  }

  void choose_colors() {
    std::vector<std::string> labels = figure.palette_;
    for (const Panel& panel : figure.panels_)
      for (const auto& series : panel.series_)
        // The rows of a forest plot follow their name where it has a color; they do not use up colors otherwise.
        if (series.kind != Panel::Kind::interval)
          labels.push_back(series.style.like.empty() ? series.label : series.style.like);
    std::vector<bool> taken(colors.size() * 8 + labels.size(), false);
    for (const std::string& label : labels) {
      const auto known = known_labels().find(lower_case(label));
      if (known == known_labels().end() || places.contains(label) || taken[known->second]) continue;
      places[label] = known->second;
      taken[known->second] = true;
    }
    std::size_t next = 0;
    for (const std::string& label : labels) {
      if (places.contains(label)) continue;
      while (taken[next]) ++next;
      places[label] = next;
      taken[next] = true;
    }
  }

  // The place of a name that is no series of its own (a bar's or an interval's).
  std::size_t place_of_name(const std::string& name) const {
    if (const auto found = places.find(name); found != places.end()) return found->second;
    if (const auto known = known_labels().find(lower_case(name)); known != known_labels().end()) return known->second;
    return 0;
  }

  Look look(const Panel::Series& series) const {
    const std::string& name = series.style.like.empty() ? series.label : series.style.like;
    Look result = look_of(place_of_name(name));
    if (series.style.dash != Dash::automatic) result.dash = dashes[static_cast<std::size_t>(series.style.dash) - 1];
    return result;
  }

  // Few points are worth a marker each.
  static bool marked(const Panel::Series& series) {
    return series.kind == Panel::Kind::points || series.x.size() <= 12;
  }

  void collect_legend() {
    for (const Panel& panel : figure.panels_)
      for (const auto& series : panel.series_) {
        if (series.label.empty() || series.kind == Panel::Kind::interval) continue;
        const auto same =
            std::find_if(legend.begin(), legend.end(), [&](const Entry& e) { return e.label == series.label; });
        if (same != legend.end()) continue;
        legend.push_back({series.label, look(series), series.kind,
                          series.kind == Panel::Kind::line && !series.band.lower.empty(), marked(series),
                          series.style.width});
      }
  }

  // -- layout
  // ----------------------------------------------------------------------------------------------------------
  static bool is_forest(const Panel& panel) {
    return !panel.series_.empty() && panel.series_.front().kind == Panel::Kind::interval;
  }

  static std::string interval_text(const Panel::Series& series) {
    std::string text = plain_interval_text(series);
    // The sign of a number is a minus, not a hyphen.
    for (std::size_t at = text.find('-'); at != std::string::npos; at = text.find('-', at + 1))
      if (at == 0 || text[at - 1] != 'e') text.replace(at, 1, "−");
    return text;
  }

  static std::string plain_interval_text(const Panel::Series& series) {
    const double center = series.band.center[0], lower = series.band.lower[0], upper = series.band.upper[0];
    if (!std::isfinite(center)) return format_number(center);
    if (!std::isfinite(lower) || !std::isfinite(upper)) return format_number(center) + " [n/a]";
    // As many digits as tell the ends of the interval apart.
    const double half = 0.5 * (upper - lower);
    const int decimals = half > 0 ? std::clamp(1 - static_cast<int>(std::floor(std::log10(half))), 0, 12) : 4;
    const double most = std::max({std::abs(center), std::abs(lower), std::abs(upper)});
    if (most >= 1e6 || (most > 0 && most < 1e-4))
      return fmt::format("{} [{}, {}]", format_number(center, 3), format_number(lower, 3), format_number(upper, 3));
    return fmt::format("{} [{}, {}]", format_fixed(center, decimals), format_fixed(lower, decimals),
                       format_fixed(upper, decimals));
  }

  Layout measure(const Panel& panel, double plot_width) const {
    Layout l;
    l.x.log = panel.log_x_, l.y.log = panel.log_y_;
    const bool forest = is_forest(panel), heat = panel.matrix_.has_value();
    if (figure.panel_height_ > 0) {
      l.height = figure.panel_height_;
    } else if (forest) {
      l.height = 27 * static_cast<double>(panel.series_.size()) + 95;
    }
    Extent x, y;
    const auto add = [](Extent& extent, bool log, double value) {
      if (!log || value >= smallest_positive) extent.add(value);
    };
    bool whole_x = !panel.series_.empty(), bars = false, only_lines = true;
    std::vector<Tick> forest_ticks;
    if (heat) {
      const auto& m = *panel.matrix_;
      l.x.log = l.y.log = false;
      const auto range = [](const std::optional<std::pair<double, double>>& span, std::size_t n) {
        const double cells = static_cast<double>(std::max<std::size_t>(n, 1));
        if (!span) return std::pair(-0.5, cells - 0.5);
        const double half =
            cells > 1 ? 0.5 * (span->second - span->first) / (cells - 1) : 0.5 * (span->second - span->first);
        return cells > 1 ? std::pair(span->first - half, span->second + half) : *span;
      };
      l.x.fit({}, 0, range(m.options.x_span, m.columns));
      l.y.fit({}, 0, range(m.options.y_span, m.rows));
    } else if (forest) {
      l.y.log = false;
      for (const auto& series : panel.series_)
        for (double v : {series.band.center[0], series.band.lower[0], series.band.upper[0]}) add(x, l.x.log, v);
      for (const auto& reference : panel.verticals_) add(x, l.x.log, reference.at);
      l.x.fit(x, 0.06, panel.x_range_);
      l.y.fit({}, 0, std::pair(-static_cast<double>(panel.series_.size()) + 0.4, 0.6));
    } else {
      for (const auto& series : panel.series_) {
        bars = bars || series.kind == Panel::Kind::bars;
        only_lines = only_lines && series.kind == Panel::Kind::line;
        for (std::size_t i = 0; i < series.x.size(); ++i) {
          if (!l.x.shows(series.x[i])) continue;
          add(x, l.x.log, series.x[i]);
          whole_x = whole_x && series.x[i] == std::round(series.x[i]);
          const double center = series.band.center[i];
          add(y, l.y.log, center);
          if (series.band.lower.empty() || !std::isfinite(center)) continue;
          add(y, l.y.log, series.band.upper[i]);
          // On a log axis a band that nearly touches zero would squeeze everything else together.
          if (!l.y.log || series.band.lower[i] > 0.1 * center) add(y, l.y.log, series.band.lower[i]);
        }
      }
      for (const auto& reference : panel.verticals_) add(x, l.x.log, reference.at);
      for (const auto& reference : panel.horizontals_) add(y, l.y.log, reference.at);
      if (bars && !l.y.log) y.add(0);
      // Zero is shown when it is near the data anyway.
      if (!l.y.log && !y.empty() && y.low > 0 && y.low < 0.3 * y.high) y.low = 0;
      if (!panel.categories_.empty())
        l.x.fit({}, 0, panel.x_range_.value_or(std::pair(-0.6, static_cast<double>(panel.categories_.size()) - 0.4)));
      else
        l.x.fit(x, only_lines ? 0.01 : 0.04, panel.x_range_);
      const bool from_zero = y.low == 0;
      l.y.fit(y, 0.05, panel.y_range_);
      if (from_zero && !l.y.log && !panel.y_range_ && l.y.high > 0) l.y.low = 0;
    }
    for (Axis* axis : {&l.x, &l.y})
      if (axis->log && axis->low <= 0)
        failf("Figure", "a log axis cannot begin at {}; hint: give x_range or y_range a positive low end", axis->low);

    // Ticks
    double widest_y = 0;
    const double plot_height = l.height - 80;
    const auto named = [](const std::vector<std::string>& names, double room_for) {
      std::vector<Tick> ticks;
      const std::size_t every =
          std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(names.size() / std::max(room_for, 1.0))));
      for (std::size_t i = 0; i < names.size(); i += every) ticks.push_back({static_cast<double>(i), names[i]});
      return ticks;
    };
    const auto automatic = [](const Axis& axis, double wanted) {
      return axis.log ? log_ticks(axis.low, axis.high, wanted) : linear_ticks(axis.low, axis.high, wanted);
    };
    double wanted_x = plot_width / 75;
    if (whole_x && !l.x.log) wanted_x = std::min(wanted_x, std::max(1.0, l.x.high - l.x.low));  // no half epochs
    const auto numbered = [](std::size_t n, double room_for) {
      std::vector<Tick> ticks = linear_ticks(-0.5, static_cast<double>(std::max<std::size_t>(n, 1)) - 0.5,
                                             std::min(room_for, static_cast<double>(n)));
      return ticks;
    };
    if (heat) {
      const auto& m = *panel.matrix_;
      l.x.ticks = m.options.x_span                  ? automatic(l.x, plot_width / 75)
                  : !m.options.column_names.empty() ? named(m.options.column_names, plot_width / 16)
                                                    : numbered(m.columns, plot_width / 40);
      l.y.ticks = m.options.y_span               ? automatic(l.y, plot_height / 40)
                  : !m.options.row_names.empty() ? named(m.options.row_names, plot_height / 14)
                                                 : numbered(m.rows, plot_height / 30);
    } else if (forest) {
      l.x.ticks = automatic(l.x, plot_width / 75);
      for (const auto& series : panel.series_) widest_y = std::max(widest_y, text_width(series.label, font_size));
    } else {
      l.x.ticks = panel.categories_.empty() ? automatic(l.x, wanted_x) : named(panel.categories_, plot_width / 16);
      l.y.ticks = automatic(l.y, plot_height / 45);
    }

    // Margins
    double widest_x = 0;
    for (const Tick& tick : l.y.ticks) widest_y = std::max(widest_y, text_width(tick.label, font_size));
    for (const Tick& tick : l.x.ticks) widest_x = std::max(widest_x, text_width(tick.label, font_size));
    const bool names_below = !panel.categories_.empty() || (heat && !panel.matrix_->options.column_names.empty());
    l.rotated = names_below && widest_x + 8 > plot_width / std::max<double>(1, static_cast<double>(l.x.ticks.size()));
    l.left = 14 + widest_y + (panel.y_label_.empty() ? 4 : 24);
    l.right = 18;
    if (forest)
      for (const auto& series : panel.series_)
        l.right = std::max(l.right, text_width(interval_text(series), small_font_size) + 22);
    if (heat) l.right = 86 + (panel.matrix_->options.label.empty() ? 0 : 26);
    for (const auto& reference : panel.horizontals_)
      if (!reference.label.empty()) l.right = std::max(l.right, text_width(reference.label, small_font_size) + 16);
    const bool named_vertical =
        std::any_of(panel.verticals_.begin(), panel.verticals_.end(), [](const auto& r) { return !r.label.empty(); });
    l.top = 10 + (panel.title_.empty() ? 0 : 22) + (named_vertical ? 15 : 0);
    l.bottom = 14 + (l.rotated ? 0.5 * widest_x + 16 : 16) + (panel.x_label_.empty() ? 0 : 23);
    if (l.rotated && figure.panel_height_ == 0) l.height += 0.5 * widest_x;
    return l;
  }

  void lay_out() {
    const std::size_t n = figure.panels_.size();
    columns = figure.columns_ ? figure.columns_ : n == 2 || n == 4 ? 2 : n >= 3 ? 3 : 1;
    columns = std::max<std::size_t>(1, std::min(columns, std::max<std::size_t>(n, 1)));
    width = figure.width_ ? figure.width_ : columns == 1 ? 720 : columns == 2 ? 960 : 1080;
    const double place = (width - 12) / static_cast<double>(columns);
    for (const Panel& panel : figure.panels_) layouts.push_back(measure(panel, std::max(60.0, place - 110)));

    double y = figure.title_.empty() ? 8 : 40;
    legend_top = y;
    // The legend flows like words in a paragraph.
    double used = inf;
    for (std::size_t i = 0; i < legend.size(); ++i) {
      const double wide = legend_width(i);
      if (used + wide > width - 28) legend_rows.emplace_back(), used = 0;
      legend_rows.back().push_back(i);
      used += wide;
    }
    y += line_height * static_cast<double>(legend_rows.size()) + (legend_rows.empty() ? 0 : 6);

    // Frames of one column stand below each other, frames of one row side by side.
    for (std::size_t first = 0; first < n; first += columns) {
      const std::size_t last = std::min(first + columns, n);
      double top = 0, bottom = 0, tall = 0;
      for (std::size_t i = first; i < last; ++i) {
        top = std::max(top, layouts[i].top), bottom = std::max(bottom, layouts[i].bottom),
        tall = std::max(tall, layouts[i].height);
      }
      tall = std::max(tall, top + bottom + 40);
      for (std::size_t i = first; i < last; ++i) {
        Layout& l = layouts[i];
        double left = 0, right = 0;
        for (std::size_t j = i % columns; j < n; j += columns)
          left = std::max(left, layouts[j].left), right = std::max(right, layouts[j].right);
        // Long names may not leave less than a third of the place to the data.
        const double most = 0.66 * place;
        if (left + right > most) left *= most / (left + right), right *= most / (left + right);
        l.x0 = 6 + place * static_cast<double>(i % columns) + left;
        l.x1 = 6 + place * static_cast<double>(i % columns + 1) - right;
        l.y0 = y + top;
        l.y1 = y + tall - bottom;
      }
      y += tall + 4;
    }
    height = std::ceil(y + 4);
  }

  static double sample_width(const Entry& e) { return e.kind == Panel::Kind::line ? 30 : 13; }
  double legend_width(std::size_t i) const {
    return sample_width(legend[i]) + 8 + text_width(legend[i].label, font_size) + 24;
  }

  // -- commands
  // ----------------------------------------------------------------------------------------------------------
  template <class... T>
  void emit(fmt::format_string<T...> text, T&&... values) {
    fmt::format_to(std::back_inserter(out), text, std::forward<T>(values)...);
    out += '\n';
  }
  double sx(double pixels) const { return pixels / width; }
  double sy(double pixels) const { return 1 - pixels / height; }

  void label(std::string_view text, double x, double y, const char* align, double size, const char* color,
             bool bold = false, bool upright = false) {
    emit("set label {} at screen {:.6f},{:.6f} {}{} font '{}{},{}' textcolor rgb '{}'", gnuplot_quote(text), sx(x),
         sy(y), align, upright ? " rotate by 90" : "", font, bold ? ":Bold" : "", size, color);
  }

  std::string block(const Rows& rows) {
    const std::string name = fmt::format("$data{}", ++blocks);
    out += name + " << END\n" + rows.text + "END\n";
    return name;
  }

  void terminal(ImageFormat format) {
    if (format == ImageFormat::svg)
      emit("set terminal svg size {},{} font '{},{}' noenhanced background 'white' rounded", width, height, font,
           font_size);
    else
      // Twice the pixels. cairo takes font sizes as points of 1/72 inch and draws at 96 pixels per inch.
      emit(
          "set terminal pngcairo size {},{} font '{},{}' fontscale {} linewidth 2 pointscale 2 dashlength 2 noenhanced "
          "background "
          "'white' rounded",
          2 * width, 2 * height, font, font_size, 2 * 0.75);
  }

  std::string commands(ImageFormat format) {
    out.clear();
    blocks = 0;
    emit("reset session\nset encoding utf8\nset minussign");
    terminal(format);
    emit("set multiplot\nunset key\nset samples 2\nset style fill solid noborder");
    draw_surroundings();
    for (std::size_t i = 0; i < layouts.size(); ++i) draw_panel(figure.panels_[i], layouts[i]);
    emit("unset multiplot");
    return std::move(out);
  }

  // Titles, axis labels and the legend, on an empty plot over the whole figure.
  void draw_surroundings() {
    emit("unset border\nunset tics\nset margins 0,0,0,0\nset xrange [0:1]\nset yrange [0:1]");
    if (!figure.title_.empty()) label(figure.title_, 14, 22, "left", title_font_size, "#1a1a1a", true);
    for (std::size_t row = 0; row < legend_rows.size(); ++row) {
      double x = 14;
      const double y = legend_top + line_height * (static_cast<double>(row) + 0.5);
      for (std::size_t i : legend_rows[row]) {
        // gnuplot's SVG joins neighbouring lines of one colour and width to a path with the dashes of the first.
        draw_legend_entry(legend[i], x, y, legend[i].width + (i % 2 == 0 ? 0 : 0.01));
        x += legend_width(i);
      }
    }
    for (std::size_t i = 0; i < layouts.size(); ++i) {
      const Panel& panel = figure.panels_[i];
      const Layout& l = layouts[i];
      const double middle = 0.5 * (l.y0 + l.y1);
      const bool named_vertical = l.top > 10 + (panel.title_.empty() ? 0 : 22);
      if (!panel.title_.empty())
        label(panel.title_, l.x0, l.y0 - (named_vertical ? 27 : 12), "left", font_size, "#1a1a1a", true);
      if (!panel.x_label_.empty())
        label(panel.x_label_, 0.5 * (l.x0 + l.x1), l.y1 + l.bottom - 12, "center", font_size, ink);
      if (!panel.y_label_.empty())
        label(panel.y_label_, std::max(10.0, l.x0 - l.left + 10), middle, "center", font_size, ink, false, true);
      for (const auto& reference : panel.verticals_)
        if (!reference.label.empty() && inside(l.x, reference.at))
          label(reference.label, l.x0 + (l.x1 - l.x0) * l.x.share(reference.at), l.y0 - 9, "center", small_font_size,
                reference_color);
      draw_horizontal_names(panel, l);
      if (is_forest(panel))
        for (std::size_t row = 0; row < panel.series_.size(); ++row) {
          const double y = l.y1 - (l.y1 - l.y0) * l.y.share(-static_cast<double>(row));
          label(panel.series_[row].label, l.x0 - 10, y, "right", font_size, ink);
          label(interval_text(panel.series_[row]), l.x1 + 12, y, "left", small_font_size, ink);
        }
      if (panel.matrix_ && !panel.matrix_->options.label.empty())
        label(panel.matrix_->options.label, l.x1 + 92, middle, "center", font_size, ink, false, true);
    }
    emit("plot -1 notitle\nunset label\nunset arrow\nunset object");
  }

  static bool inside(const Axis& axis, double value) {
    return axis.shows(value) && value >= axis.low && value <= axis.high;
  }

  // Names of horizontal references, moved apart where they would overlap.
  void draw_horizontal_names(const Panel& panel, const Layout& l) {
    std::vector<std::pair<double, const std::string*>> names;
    for (const auto& reference : panel.horizontals_)
      if (!reference.label.empty() && inside(l.y, reference.at))
        names.emplace_back(l.y1 - (l.y1 - l.y0) * l.y.share(reference.at), &reference.label);
    std::sort(names.begin(), names.end());
    double lowest = -inf;
    for (const auto& [y, name] : names) {
      lowest = std::max(y, lowest + 13);
      label(*name, l.x1 + 7, lowest, "left", small_font_size, reference_color);
    }
  }

  void draw_legend_entry(const Entry& e, double x, double y, double line_width) {
    const double sample = sample_width(e), middle = x + sample / 2;
    if (e.kind == Panel::Kind::bars || e.band) {
      const bool solid = e.kind == Panel::Kind::bars;
      emit(
          "set object rectangle from screen {:.6f},{:.6f} to screen {:.6f},{:.6f} fillcolor rgb '{}' fillstyle {} "
          "noborder",
          sx(x), sy(y + 6), sx(x + sample), sy(y - 6), e.look.color, solid ? "solid" : "transparent solid 0.18");
    }
    if (e.kind == Panel::Kind::line)
      emit(
          "set arrow from screen {:.6f},{:.6f} to screen {:.6f},{:.6f} nohead linewidth {} linecolor rgb '{}' dashtype "
          "{} front",
          sx(x), sy(y), sx(x + sample), sy(y), line_width, e.look.color, e.look.dash);
    if (e.kind != Panel::Kind::bars && e.marked)
      emit("set label '' at screen {:.6f},{:.6f} point pointtype {} pointsize 0.65 linecolor rgb '{}' front",
           sx(middle), sy(y), e.look.marker, e.look.color);
    label(e.label, x + sample + 8, y, "left", font_size, ink);
  }

  static std::string tick_list(const Axis& axis) {
    std::string list;
    for (const Tick& tick : axis.ticks) {
      if (tick.at < axis.low || tick.at > axis.high) continue;
      list += fmt::format("{}{} {}{}", list.empty() ? "" : ", ", tick_quote(tick.label), number(tick.at),
                          tick.minor ? " 1" : "");
    }
    return "(" + list + ")";
  }

  void frame(const Layout& l) {
    emit(
        "set lmargin at screen {:.6f}\nset rmargin at screen {:.6f}\nset bmargin at screen {:.6f}\nset tmargin at "
        "screen {:.6f}",
        sx(l.x0), sx(l.x1), sy(l.y1), sy(l.y0));
  }

  void draw_panel(const Panel& panel, const Layout& l) {
    const bool heat = panel.matrix_.has_value(), forest = is_forest(panel);
    frame(l);
    emit("unset logscale\nset xrange [{}:{}]", number(l.x.low), number(l.x.high));
    // A matrix is read from the top.
    const bool downwards = heat && !panel.matrix_->options.y_span;
    emit("set yrange [{}:{}]", number(downwards ? l.y.high : l.y.low), number(downwards ? l.y.low : l.y.high));
    if (l.x.log) emit("set logscale x");
    if (l.y.log) emit("set logscale y");
    emit("set border {} linewidth 1 linecolor rgb '#8c8c8c'", heat ? 15 : forest ? 1 : 3);
    const bool bare_x = !panel.categories_.empty() || heat;
    emit("set xtics out nomirror scale {},0.3 {} textcolor rgb '{}' {}", bare_x ? 0.0 : 0.5,
         l.rotated ? "rotate by 30 right offset 0,0" : "norotate", ink, tick_list(l.x));
    emit("set ytics out nomirror scale {},0.3 textcolor rgb '{}' {}", heat ? 0.0 : 0.5, ink, tick_list(l.y));
    // Without a list gnuplot would choose ticks of its own.
    if (l.x.ticks.empty()) emit("unset xtics");
    if (l.y.ticks.empty()) emit("unset ytics");
    emit("unset grid");
    if (!heat)
      emit("set grid {} {} nomxtics nomytics back linetype 1 linewidth 1 linecolor rgb '{}'",
           panel.categories_.empty() ? "xtics" : "noxtics", forest ? "noytics" : "ytics", grid_color);
    for (const auto& reference : panel.verticals_)
      if (inside(l.x, reference.at))
        emit(
            "set arrow from first {0}, graph 0 to first {0}, graph 1 nohead linewidth 1.3 linecolor rgb '{1}' dashtype "
            "(5,4) {2}",
            number(reference.at), reference_color, heat ? "front" : "back");
    for (const auto& reference : panel.horizontals_)
      if (inside(l.y, reference.at))
        emit(
            "set arrow from graph 0, first {0} to graph 1, first {0} nohead linewidth 1.3 linecolor rgb '{1}' dashtype "
            "(5,4) {2}",
            number(reference.at), reference_color, heat ? "front" : "back");
    if (heat) {
      draw_matrix(*panel.matrix_, l);
    } else {
      std::vector<std::string> plots;
      if (panel.diagonal_) {
        const double from = std::max(l.x.low, l.y.low), to = std::min(l.x.high, l.y.high);
        Rows rows;
        if (from < to) rows.add({from, from}), rows.add({to, to});
        if (rows.count)
          plots.push_back(fmt::format("{} using 1:2 with lines linewidth 1.3 linecolor rgb '{}' dashtype (5,4)",
                                      block(rows), reference_color));
      }
      if (forest)
        draw_intervals(panel, l, plots);
      else
        draw_series(panel, l, plots);
      std::string all;
      for (const std::string& plot : plots) all += (all.empty() ? "" : ", \\\n  ") + plot + " notitle";
      emit("plot {}", all.empty() ? "NaN notitle" : all);
    }
    emit("unset arrow\nunset label\nunset object");
  }

  void draw_intervals(const Panel& panel, const Layout& l, std::vector<std::string>& plots) {
    for (std::size_t i = 0; i < panel.series_.size(); ++i) {
      const auto& series = panel.series_[i];
      const double center = series.band.center[0], lower = series.band.lower[0], upper = series.band.upper[0];
      if (!l.x.shows(center)) continue;
      const bool whole = l.x.shows(lower) && l.x.shows(upper) && lower <= upper;
      const double y = -static_cast<double>(i);
      Rows rows;
      rows.add({center, y, whole ? lower : center, whole ? upper : center});
      const std::string name = block(rows);
      const Look looks = look(series);
      if (whole)
        plots.push_back(fmt::format("{} using 3:2:($4-$3):(0) with vectors nohead linewidth 2.4 linecolor rgb '{}'",
                                    name, looks.color));
      plots.push_back(
          fmt::format("{} using 1:2 with points pointtype 5 pointsize 0.85 linecolor rgb '{}'", name, looks.color));
    }
  }

  void draw_series(const Panel& panel, const Layout& l, std::vector<std::string>& plots) {
    // Bands lie lowest, then bars, lines and points.
    for (const auto& series : panel.series_)
      if (series.kind == Panel::Kind::line && !series.band.lower.empty()) draw_band(series, l, plots);
    std::size_t groups = 0, group = 0;
    for (const auto& series : panel.series_) groups += series.kind == Panel::Kind::bars;
    for (const auto& series : panel.series_)
      if (series.kind == Panel::Kind::bars) draw_bars(panel, series, l, group++, groups, plots);
    for (const auto& series : panel.series_)
      if (series.kind == Panel::Kind::line) draw_line(series, l, plots);
    for (const auto& series : panel.series_)
      if (series.kind == Panel::Kind::points) draw_points(series, l, plots);
  }

  void draw_band(const Panel::Series& series, const Layout& l, std::vector<std::string>& plots) {
    Rows rows;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      double lower = series.band.lower[i];
      const double upper = series.band.upper[i];
      if (l.y.log && lower < l.y.low) lower = l.y.low;  // a band may reach below zero, a log axis may not
      if (l.x.shows(series.x[i]) && l.y.shows(lower) && l.y.shows(upper) && lower <= upper)
        rows.add({series.x[i], lower, upper});
      else
        rows.gap();
    }
    if (rows.count)
      plots.push_back(
          fmt::format("{} using 1:2:3 with filledcurves linecolor rgb '{}' fillstyle transparent solid 0.18 noborder",
                      block(rows), look(series).color));
  }

  void draw_line(const Panel::Series& series, const Layout& l, std::vector<std::string>& plots) {
    Rows rows;
    std::vector<double> x, y;
    for (std::size_t i = 0; i <= series.x.size(); ++i) {
      if (i < series.x.size() && l.x.shows(series.x[i]) && l.y.shows(series.band.center[i])) {
        x.push_back(series.x[i]), y.push_back(series.band.center[i]);
      } else {
        add_curve(rows, x, y);
        x.clear(), y.clear();
      }
    }
    if (!rows.count) return;
    const Look looks = look(series);
    const std::string name = block(rows);
    plots.push_back(fmt::format("{} using 1:2 with lines linewidth {} linecolor rgb '{}' dashtype {}", name,
                                series.style.width, looks.color, looks.dash));
    if (marked(series))
      plots.push_back(fmt::format("{} using 1:2 with points pointtype {} pointsize 0.6 linecolor rgb '{}'", name,
                                  looks.marker, looks.color));
  }

  void draw_points(const Panel::Series& series, const Layout& l, std::vector<std::string>& plots) {
    Rows rows, errors;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      const double center = series.band.center[i];
      if (!l.x.shows(series.x[i]) || !l.y.shows(center)) continue;
      rows.add({series.x[i], center});
      if (series.band.lower.empty()) continue;
      const double lower = l.y.log ? std::max(series.band.lower[i], l.y.low) : series.band.lower[i],
                   upper = series.band.upper[i];
      if (l.y.shows(lower) && l.y.shows(upper) && lower <= upper) errors.add({series.x[i], center, lower, upper});
    }
    const Look looks = look(series);
    if (errors.count)
      plots.push_back(fmt::format("{} using 1:3:(0):($4-$3) with vectors nohead linewidth 1.5 linecolor rgb '{}'",
                                  block(errors), looks.color));
    if (rows.count)
      plots.push_back(fmt::format("{} using 1:2 with points pointtype {} pointsize {} linecolor rgb '{}'", block(rows),
                                  looks.marker, rows.count > 300 ? 0.35 : 0.75, looks.color));
  }

  void draw_bars(const Panel& panel, const Panel::Series& series, const Layout& l, std::size_t group,
                 std::size_t groups, std::vector<std::string>& plots) {
    const double wide = 0.78 / static_cast<double>(groups),
                 foot = l.y.log ? l.y.low : std::clamp(0.0, l.y.low, l.y.high);
    std::map<std::string, Rows> boxes;  // by color
    Rows errors;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      const double top = series.band.center[i], from = series.x[i] - 0.39 + wide * static_cast<double>(group),
                   to = from + wide * 0.94;
      if (!l.y.shows(top)) continue;
      const char* color =
          individually_colored(panel, series) ? look_of(place_of_name(panel.categories_[i])).color : look(series).color;
      boxes[color].add({0.5 * (from + to), top, from, to, std::min(foot, top), std::max(foot, top)});
      if (series.band.lower.empty()) continue;
      const double lower = l.y.log ? std::max(series.band.lower[i], l.y.low) : series.band.lower[i],
                   upper = series.band.upper[i];
      if (l.y.shows(lower) && l.y.shows(upper) && lower <= upper) errors.add({0.5 * (from + to), top, lower, upper});
    }
    if (group == 0 && !l.y.log && l.y.low < 0 && l.y.high > 0)
      emit("set arrow from graph 0, first 0 to graph 1, first 0 nohead linewidth 1 linecolor rgb '#8c8c8c' front");
    for (const auto& [color, rows] : boxes)
      plots.push_back(fmt::format(
          "{} using 1:2:3:4:5:6 with boxxyerror linecolor rgb '{}' fillstyle solid 0.88 noborder", block(rows), color));
    if (errors.count)
      plots.push_back(fmt::format("{} using 1:3:(0):($4-$3) with vectors nohead linewidth 1.8 linecolor rgb '{}'",
                                  block(errors), ink));
  }

  void draw_matrix(const Panel::Matrix& m, const Layout& l) {
    const HeatMap& o = m.options;
    const auto scaled = [&](double v) { return o.log ? (v >= smallest_positive ? std::log10(v) : nan) : v; };
    Extent extent;
    for (double v : m.values)
      if (std::abs(scaled(v)) <= largest) extent.add(scaled(v));
    if (std::isfinite(scaled(o.low))) extent.low = scaled(o.low);
    if (std::isfinite(scaled(o.high))) extent.high = scaled(o.high);
    if (extent.empty()) extent = {0, 1};
    if (o.diverging && !o.log) {
      const double most = std::max(std::abs(extent.low), std::abs(extent.high));
      extent = {-most, most};
    }
    Axis color;
    color.fit(extent, 0, {});
    if (extent.high > extent.low) color.low = extent.low, color.high = extent.high;
    out += palette_command(o.diverging);
    emit("unset colorbox\nset cbrange [0:1]");
    emit("set object rectangle from graph 0,0 to graph 1,1 fillcolor rgb '{}' fillstyle solid noborder behind",
         missing_color);
    const auto place = [](const std::optional<std::pair<double, double>>& span, std::size_t i, std::size_t n) {
      if (!span) return static_cast<double>(i);
      if (n < 2) return 0.5 * (span->first + span->second);
      return span->first + (span->second - span->first) * static_cast<double>(i) / static_cast<double>(n - 1);
    };
    Rows rows;
    bool any = false;
    for (std::size_t r = 0; r < m.rows; ++r)
      for (std::size_t c = 0; c < m.columns; ++c) {
        const double v = scaled(m.values[r * m.columns + c]);
        const double x = place(o.x_span, c, m.columns), y = place(o.y_span, r, m.rows);
        if (std::abs(v) <= largest) {
          const double share = std::clamp(color.share(v), 0.0, 1.0);
          rows.add({x, y, share});
          any = true;
          if (o.numbers) {
            const double value = m.values[r * m.columns + c];
            const std::string text = value == std::round(value) && std::abs(value) < 1e6 ? fmt::format("{:.0f}", value)
                                                                                         : format_number(value, 3);
            emit("set label {} at first {},{} center front font '{},{}' textcolor rgb '{}'", gnuplot_quote(text),
                 number(x), number(y), font, small_font_size, is_dark(share, o.diverging) ? "#ffffff" : "#1a1a1a");
          }
        } else {
          rows.text += fmt::format("{} {} NaN\n", number(x), number(y));
          ++rows.count;
        }
      }
    if (m.rows > 1 && m.columns > 1 && any) {
      emit("plot {} using 1:2:3 with image notitle", block(rows));
    } else if (any) {
      // gnuplot's images need two cells in each direction; a single row or column is drawn as boxes.
      const double half_x = 0.5 * (l.x.high - l.x.low) / static_cast<double>(m.columns),
                   half_y = 0.5 * (l.y.high - l.y.low) / static_cast<double>(m.rows);
      emit(
          "plot {} using 1:2:($1-{}):($1+{}):($2-{}):($2+{}):3 with boxxyerror fillcolor palette fillstyle solid "
          "noborder notitle",
          block(rows), number(half_x), number(half_x), number(half_y), number(half_y));
    } else {
      emit("plot NaN notitle");
    }
    emit("unset object\nunset label\nunset arrow");

    // The color bar: a picture of one column, with ticks of its own.
    Layout bar;
    bar.x0 = l.x1 + 16, bar.x1 = l.x1 + 30, bar.y0 = l.y0, bar.y1 = l.y1;
    frame(bar);
    std::vector<Tick> ticks;
    if (o.log) {
      ticks = log_ticks(std::pow(10, color.low), std::pow(10, color.high), (l.y1 - l.y0) / 40);
      std::erase_if(ticks, [](const Tick& tick) { return tick.minor; });
      for (Tick& tick : ticks) tick.at = std::log10(tick.at);
    } else {
      ticks = linear_ticks(color.low, color.high, (l.y1 - l.y0) / 45);
    }
    std::string list;
    for (const Tick& tick : ticks)
      list += fmt::format("{}{} {}", list.empty() ? "" : ", ", tick_quote(tick.label),
                          number(std::clamp(color.share(tick.at), 0.0, 1.0)));
    emit("unset logscale\nset xrange [0:1]\nset yrange [0:1]\nset border 15\nunset xtics\nunset grid");
    emit("unset ytics\nset y2tics out scale 0.3,0.3 textcolor rgb '{}' ({})", ink, list);
    emit("set y2range [0:1]");
    Rows shades;
    constexpr int steps = 64;
    for (int i = 0; i < steps; ++i)
      for (double x : {0.25, 0.75}) shades.add({x, (i + 0.5) / steps, (i + 0.5) / steps});
    emit("plot {} using 1:2:3 with image notitle\nunset y2tics", block(shades));
  }
};

std::string drawing_commands(const Figure& figure, ImageFormat format) { return Drawing(figure).commands(format); }

}  // namespace gradus::report
