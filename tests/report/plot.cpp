#include "gradus/report/plot.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <limits>

#include "folder.hpp"
#include "gradus/core/error.hpp"
#include "gradus/report/files.hpp"
#include "gradus/report/gnuplot.hpp"
#include "xml.hpp"

using namespace gradus;
using namespace gradus::report;

namespace {
constexpr double NaN = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

// Sets PATH for one test.
class Path {
 public:
  explicit Path(const std::string& path) : before_(::getenv("PATH") ? ::getenv("PATH") : "") {
    ::setenv("PATH", path.c_str(), 1);
  }
  ~Path() { ::setenv("PATH", before_.c_str(), 1); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

 private:
  std::string before_;
};

bool gnuplot_is_missing() {
  try {
    run_gnuplot("");
    return false;
  } catch (const Error& error) {
    MESSAGE("skipped: ", error.what());
    return true;
  }
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

bool contains(const std::string& text, const std::string& what) { return text.find(what) != text.npos; }

// The commands "M" of the paths drawn in this color: one for each piece of curve.
std::size_t pieces(const std::string& svg, const std::string& rgb) {
  std::size_t n = 0;
  const std::string start = "<path stroke='rgb(" + rgb + ")'";
  for (std::size_t at = svg.find(start); at != svg.npos; at = svg.find(start, at + 1))
    n += count(svg.substr(at, svg.find('>', at) - at), "M");
  return n;
}

constexpr auto blue = "  0, 114, 178", vermillion = "213,  94,   0", green = "  0, 158, 115";
}  // namespace

TEST_CASE("the XML check finds what is broken") {
  CHECK(xml_complaint("<a b=\"1\"><c/>x &amp; y</a>").empty());
  for (const std::string& broken :
       {"", "<a>", "<a></b>", "<a b=1/>", "<a>&</a>", "<a><b></a></b>", "<a b=\"1\" b=\"2\"/>", "<a>x<</a>",
        "<a b=\"<\"/>", "<a b=\"1\"c=\"2\"/>", "<a></a><b></b>", "<a>\x01</a>", "x<a/>"}) {
    CAPTURE(broken);
    CHECK_FALSE(xml_complaint(broken).empty());
  }
}

TEST_CASE("a figure is well-formed SVG that says what it was told, literally") {
  if (gnuplot_is_missing()) return;
  Figure figure("Loss & 'accuracy' <b> \"50%\" a_b^2 {x} \\n \\alpha $HOME `id` @x 学 \xff \x01");
  Panel& panel = figure.panel("pan%d'el");
  panel.x_label("ep'och`echo x`").y_label("l_o_s_s\nsecond line").categories({"50% 'a'", "b\\", "%g"});
  panel.line("rel'u` $x", {0, 1, 2}, std::vector<double>{1, 3, 2}).horizontal(2, "cha'nce < 1").vertical(1, "step & 1");
  const std::string svg = figure.svg();
  CHECK(xml_complaint(svg) == "");
  for (const std::string& text : std::vector<std::string>{
           "Loss &amp; 'accuracy' &lt;b> \"50%\" a_b^2 {x} \\n \\alpha $HOME `id` @x 学 \uFFFD \uFFFD", ">pan%d'el<",
           ">ep'och`echo x`<", ">l_o_s_s second line<", ">50% 'a'<", ">b\\<", ">%g<", ">rel'u` $x<", ">cha'nce &lt; 1<",
           ">step &amp; 1<"}) {
    CAPTURE(text);
    CHECK(contains(svg, text));
  }
  CHECK(contains(svg, "font-weight=\"bold\""));
  CHECK_FALSE(contains(svg, "<title>gnuplot"));  // no tool tips about the tool
  CHECK_FALSE(contains(svg, "Bold"));
}

TEST_CASE("apostrophes anywhere: in words, as primes, first, last, alone") {
  CHECK(gnuplot_quote("ReLU's f'' and f'") == "'ReLU''s f\u2032\u2032 and f'''");
  CHECK(gnuplot_quote("'") == "'\u2032'");
  CHECK(gnuplot_quote("'tis") == "'\u2032tis'");
  if (gnuplot_is_missing()) return;
  for (const std::string label : {"f''", "'", "''", "'x'", "it's"}) {
    CAPTURE(label);
    Figure figure(label);
    figure.panel(label).x_label(label).line(label, {1, 2}, std::vector<double>{1, 2}).horizontal(1.5, label);
    CHECK(xml_complaint(figure.svg()).empty());
  }
}

TEST_CASE("colors follow the label") {
  if (gnuplot_is_missing()) return;
  const std::vector<double> x{1, 2}, y{1, 2};
  Figure one, other;
  one.panel().line("gelu", x, y).line("relu", x, y).line("mine", x, y);
  other.panel().line("ReLU", x, y);
  other.panel().line("mine", x, y);
  CHECK(pieces(one.svg(), green) > 0);  // gelu and relu keep their colors in any order
  CHECK(pieces(one.svg(), blue) > 0);
  CHECK(pieces(one.svg(), vermillion) > 0);  // the first free one
  CHECK(pieces(other.svg(), blue) > 0);
  CHECK(pieces(other.svg(), vermillion) > 0);
  Figure shared, like;
  shared.palette({"relu", "absent", "mine"}).panel().line("mine", x, y);
  CHECK(pieces(shared.svg(), green) > 0);
  like.panel().line("relu, training", x, y, {.like = "relu", .dash = Dash::dotted});
  CHECK(pieces(like.svg(), blue) > 0);
}

TEST_CASE("the legend tells dashes of one color apart") {
  if (gnuplot_is_missing()) return;
  const std::vector<double> x{1, 2}, y{1, 2};
  Figure figure;
  figure.panel().line("dashed", x, y, {.like = "relu", .dash = Dash::dashed});
  figure.panel().line("solid", x, y, {.like = "relu"}).line("dotted", x, y, {.like = "relu", .dash = Dash::dotted});
  const std::string svg = figure.svg();
  // Each once in the legend and once in a panel.
  CHECK(count(svg, "stroke-dasharray='8.0,6.0'") == 2);
  CHECK(count(svg, "stroke-dasharray='1.0,5.0'") == 2);
}

TEST_CASE("what is not finite leaves a gap") {
  if (gnuplot_is_missing()) return;
  const std::vector<double> x{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
  const auto drawn = [&](std::vector<double> y, bool log) {
    Figure figure;
    Panel& panel = figure.panel().line("", x, std::move(y));
    if (log) panel.log_y();
    const std::string svg = figure.svg();
    CHECK(xml_complaint(svg) == "");
    return pieces(svg, blue);
  };
  CHECK(drawn({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, false) == 1);
  CHECK(drawn({1, 2, 3, NaN, 5, 6, 7, 8, 9, 10, 11, 12, 13}, false) == 2);
  CHECK(drawn({1, 2, 3, NaN, 5, inf, -inf, 8, 9, 10, 11, 12, 13}, false) == 3);  // the single 5 stays as a dot
  CHECK(drawn({1, 2, 3, 0, 5, 6, 7, 8, 9, -10, 11, 12, 13}, true) == 3);
  CHECK(drawn({1, 2, 3, 1e305, 5, 6, 7, 8, 9, 10, 11, 12, 13}, false) == 2);
  CHECK(drawn(std::vector<double>(13, NaN), false) == 0);
}

TEST_CASE("every kind of panel draws, with nothing in it, one value, equal values, extreme values") {
  if (gnuplot_is_missing()) return;
  std::vector<Figure> figures;
  const std::vector<std::vector<double>> contents{
      {},          {0},     {5, 5, 5}, {NaN, NaN}, {inf, 1, -inf}, {1e-300, 1e300}, {-1e300, 1e300}, {1, 1 + 1e-16},
      {1e-320, 0}, {-3, -2}};
  for (const auto& y : contents)
    for (bool log : {false, true}) {
      std::vector<double> x(y.size());
      std::vector<std::string> names;
      for (std::size_t i = 0; i < y.size(); ++i)
        x[i] = static_cast<double>(i), names.push_back("c" + std::to_string(i));
      const Band band{y, y, y};
      Figure& figure = figures.emplace_back("t");
      Panel& line = figure.panel("line").line("a", x, band).horizontal(NaN, "nowhere").vertical(inf).diagonal();
      Panel& points = figure.panel("points").points("a", x, band);
      Panel& swapped = figure.panel("swapped").points("a", y, x);
      Panel& bars = figure.panel("bars").categories(names).bars("a", band).bars("b", y);
      Panel& forest = figure.panel("forest").vertical(1, "one");
      for (double v : y) forest.interval("row", {v, v, v});
      forest.interval("undefined", {1, NaN, NaN});
      figure.panel("heat").heat_map(y, 1, y.size(), {.numbers = true});
      figure.panel("heat").heat_map(y, y.size(), 1, {.label = "v", .diverging = true});
      if (log) line.log_y(), points.log_x().log_y(), swapped.log_x(), bars.log_y(), forest.log_x();
    }
  figures.emplace_back();  // no panel at all
  std::vector<Rendering> renderings;
  for (const Figure& figure : figures) renderings.push_back({&figure, ImageFormat::svg});
  const auto images = render(renderings);
  CHECK(images.size() == figures.size());
  for (const std::string& image : images) CHECK(xml_complaint(image) == "");
}

TEST_CASE("heat maps") {
  if (gnuplot_is_missing()) return;
  Figure figure("h");
  figure.panel().heat_map(
      {50, 2, NaN, 4.5}, 2, 2,
      {.label = "co_unt", .row_names = {"cat", "dog"}, .column_names = {"c'at", "d%g"}, .numbers = true});
  figure.panel().heat_map({1, 10, 100, 1000, 0, -1}, 3, 2, {.log = true, .x_span = {{-1, 1}}, .y_span = {{0, 2}}});
  const std::string svg = figure.svg();
  CHECK(xml_complaint(svg) == "");
  for (const std::string& text :
       std::vector<std::string>{">50<", ">2<", ">4.50<", ">co_unt<", ">cat<", ">c'at<", ">d%g<", ">100<"}) {
    CAPTURE(text);
    CHECK(contains(svg, text));
  }
  CHECK(contains(svg, "image-rendering:pixelated"));
  CHECK(count(svg, "data:image/png;base64,") == 4);  // two maps, two color bars, all inside the file
}

TEST_CASE("intervals show their numbers") {
  if (gnuplot_is_missing()) return;
  Figure figure;
  figure.panel()
      .interval("relu", {0.8712, 0.8689, 0.8735})
      .interval("one run", {0.5, NaN, NaN})
      .interval("sign", {0.1, -0.31, 0.51})
      .interval("no", {NaN, NaN, NaN});
  const std::string svg = figure.svg();
  for (const std::string& text : std::vector<std::string>{">relu<", ">0.8712 [0.8689, 0.8735]<", ">0.5000 [n/a]<",
                                                          ">0.10 [−0.31, 0.51]<", ">nan<"}) {
    CAPTURE(text);
    CHECK(contains(svg, text));
  }
}

TEST_CASE("long curves are thinned out, but keep their peaks") {
  if (gnuplot_is_missing()) return;
  std::vector<double> x(200000), y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<double>(i), y[i] = std::sin(0.37 * static_cast<double>(i));
  y[123457] = 7.5;
  Figure figure;
  figure.panel().y_range(-10, 10).line("", x, y);
  const std::string svg = figure.svg();
  CHECK(svg.size() < 300000);
  // The peak's height, among those of the path: 7.5 in [-10, 10] is an eighth of the frame from its top.
  Figure low;
  y[123457] = 0;
  low.panel().y_range(-10, 10).line("", x, y);
  CHECK(low.svg() != svg);
}

TEST_CASE("PNG, and several images by one process") {
  if (gnuplot_is_missing()) return;
  Figure a("a"), b("b");
  a.panel().line("relu", {1, 2}, std::vector<double>{1, 2});
  b.panel().bars("", std::vector<double>{});
  b.width(400).panel_height(200);
  const Rendering wanted[] = {{&a, ImageFormat::png}, {&a, ImageFormat::svg}, {&b, ImageFormat::png}};
  const auto images = render(wanted);
  CHECK(images.size() == 3);
  const auto big_endian = [](const std::string& s, std::size_t at) {
    unsigned value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(s[at + i]);
    return value;
  };
  CHECK(images[0].starts_with("\x89PNG\r\n\x1a\n"));
  CHECK(big_endian(images[0], 16) == 1440);
  CHECK(big_endian(images[2], 16) == 800);
  CHECK(images[2].substr(images[2].size() - 8, 4) == "IEND");
  CHECK(images[1] == a.svg());
  CHECK(render({}).empty());

  const Folder folder;
  save_figures(folder / "figures", {{"a", &a}, {"b", &b}});
  CHECK(read_file(folder / "figures/a.svg") == images[1]);
  CHECK(read_file(folder / "figures/b.png") == images[2]);
  a.save_svg(folder / "a.svg");
  a.save_png(folder / "a.png");
  CHECK(read_file(folder / "a.png") == images[0]);
  CHECK_THROWS_AS(a.save_svg(folder / "none/a.svg"), Error);
}

TEST_CASE("an inline SVG brings its own names") {
  const std::string svg =
      "<?xml version=\"1.0\"?>\n<svg width=\"300\" height=\"200\" viewBox=\"0 0 300 200\" xmlns=\"x\"><title>t</title>"
      "<defs><circle id='p'/></defs><use xlink:href='#p' fill=\"url(#p)\"/><text>id='p' #p</text></svg>";
  CHECK(inline_svg(svg, "f1-", "a \"b\"") ==
        "<svg viewBox=\"0 0 300 200\" style=\"max-width:300px;min-width:min(300px,36rem)\" role=\"img\" aria-label=\"a "
        "&quot;b&quot;\" "
        "xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">"
        "<defs><circle id='f1-p'/></defs><use xlink:href='#f1-p' fill=\"url(#f1-p)\"/><text>id='p' #p</text></svg>");
}

TEST_CASE("misuse is named") {
  Figure figure;
  CHECK_THROWS_WITH_AS(figure.panel().line("relu", {1, 2}, std::vector<double>{1}),
                       "Panel::line: \"relu\" has 2 x and 1 y; each point needs both", Error);
  CHECK_THROWS_WITH_AS(figure.panel().points("e", {1}, Band{{1}, {0}, {}}),
                       "Panel::points: the band of \"e\" has 1 centers, 1 lower and 0 upper ends", Error);
  CHECK_THROWS_WITH_AS(figure.panel().bars("e", {1, 2}),
                       "Panel::bars: \"e\" has 2 bars, but there are 0 categories; hint: call categories() first",
                       Error);
  CHECK_THROWS_WITH_AS(figure.panel().heat_map({1, 2, 3}, 2, 2),
                       "Panel::heat_map: 3 values do not fill 2 rows of 2 columns", Error);
  CHECK_THROWS_AS(figure.panel().heat_map({}, std::size_t{1} << 63, 2), Error);
  CHECK_THROWS_WITH_AS(figure.panel().heat_map({1}, 1, 1, {.row_names = {"a", "b"}}),
                       "Panel::heat_map: 2 names for 1 rows", Error);
  CHECK_THROWS_AS(figure.panel().line("a", {1}, std::vector<double>{1}).interval("b", {1, 0, 2}), Error);
  CHECK_THROWS_AS(figure.panel().heat_map({1}, 1, 1).line("a", {1}, std::vector<double>{1}), Error);
  CHECK_THROWS_WITH_AS(figure.panel().x_range(2, 1), "Panel::x_range: needs low < high, got 2 and 1", Error);
  CHECK_THROWS_AS(figure.panel().y_range(NaN, 1), Error);
  CHECK_THROWS_AS(figure.columns(0), Error);
  CHECK_THROWS_AS(figure.width(10), Error);
  CHECK_THROWS_AS(figure.panel_height(1), Error);
  Figure log;
  log.panel().log_y().y_range(0, 1);
  CHECK_THROWS_WITH_AS(log.svg(),
                       "Figure: a log axis cannot begin at 0; hint: give x_range or y_range a positive low end", Error);
}

TEST_CASE("without gnuplot the error says what to install") {
  Figure figure("f");
  figure.panel();
  for (const std::string& path : std::vector<std::string>{"", "/nonexistent", ".", ":"}) {
    const Path only(path);
    CHECK_THROWS_WITH_AS(
        figure.svg(), "gnuplot: not found in PATH, and plots are drawn by it; hint: sudo apt-get install gnuplot-nox",
        Error);
  }
}

TEST_CASE("gnuplot's failures are told in its own words, and no child is left") {
  const Folder folder;
  const auto pretend = [&](const std::string& script) {
    write_file_atomically(folder / "gnuplot", "#!/bin/sh\n" + script);
    ::chmod((folder / "gnuplot").c_str(), 0755);
  };
  const std::string real = ::getenv("PATH") ? ::getenv("PATH") : "";
  const Path first((folder / "") + ":" + real);
  const std::string large(1 << 22, '#');

  pretend("echo 'line 3: it hurts' >&2; exit 2\n");
  CHECK_THROWS_WITH_AS(run_gnuplot(large), "gnuplot: failed (2)\n  line 3: it hurts", Error);
  pretend("exit 1\n");
  CHECK_THROWS_WITH_AS(run_gnuplot("x"), "gnuplot: failed (1)\n  it gave no reason", Error);
  pretend("kill -SEGV $$\n");
  CHECK_THROWS_WITH_AS(run_gnuplot("x"), "gnuplot: was ended by signal 11\n  it gave no reason", Error);
  pretend("exec sleep 1000\n");
  CHECK_THROWS_WITH_AS(run_gnuplot("x", 0.2), "gnuplot: did not finish within 0.2 s", Error);
  pretend("echo nonsense\n");
  Figure figure;
  CHECK_THROWS_WITH_AS(figure.svg(),
                       "gnuplot: its output is not the images it was asked for; hint: gnuplot 5.2 or newer is needed",
                       Error);
  CHECK_THROWS_AS(figure.png(), Error);
  pretend("printf '\\211PNG\\r\\n\\032\\n\\377\\377\\377\\377IDAT0123'\n");
  CHECK_THROWS_AS(figure.png(), Error);
  // More than a pipe holds in both directions at once.
  pretend("exec cat\n");
  CHECK(run_gnuplot(large) == large);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}
