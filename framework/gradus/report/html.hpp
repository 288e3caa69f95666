#pragma once
// A report as one HTML file: no network, no scripts, readable on a phone and on paper, light and dark.
//
//   Page page("ReLU, ELU and GELU on Fashion-MNIST", "three seeds, 20 epochs");
//   page.heading("What was compared").paragraph("The same network with `relu`, `elu` and `gelu`.");
//   page.table(results).figure(loss, "Test loss; the band is one standard deviation.");
//   page.callout(Verdict::holds, "GELU is better", "by 1.4 ± 0.3 points on the same seeds.");
//   page.save("report.html");
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradus/report/plot.hpp"
#include "gradus/report/table.hpp"

namespace gradus::report {

/// Every text is escaped. Where the text is prose (paragraphs, lists, callouts, captions), `code`, **strong** and
/// [words](target) are understood; a target is a relative path, #anchor, https:, http: or mailto:, others stay plain
/// text.
class Page {
 public:
  explicit Page(std::string title, std::string subtitle = {});

  /// Level 2 (sections, in the table of contents) or 3 and 4.
  Page& heading(const std::string& text, int level = 2);
  Page& paragraph(const std::string& text);
  Page& list(const std::vector<std::string>& items);
  Page& table(const Table& table);
  /// Numbered "Figure 1". `alt` tells what there is to see to those who cannot; by default the figure's title and the
  /// caption.
  Page& figure(const Figure& figure, const std::string& caption = {}, const std::string& alt = {});
  /// A drawing that is there already, as a standalone SVG document, e.g. one that save_svg() wrote.
  Page& picture(std::string_view svg, const std::string& caption);
  /// Names and values, such as the settings of a run.
  Page& definitions(const std::vector<std::pair<std::string, std::string>>& items);
  /// A colored box: what came of a claim, or a remark (neutral).
  Page& callout(Verdict verdict, const std::string& title, const std::string& text = {});
  Page& code(const std::string& text);
  /// A part that opens on demand: details("All runs", [&](Page& page) { page.table(runs); }).
  Page& details(const std::string& summary, const std::function<void(Page&)>& body);

  struct Card {
    std::string title, target, text;
    Verdict verdict = Verdict::neutral;
    bool show_verdict = false;
  };
  /// A grid of links, for an index of reports.
  Page& cards(const std::vector<Card>& cards);
  /// The last line of the page.
  Page& footer(const std::string& text);

  /// The document; figures are drawn here, all by one gnuplot process. The table of contents appears from three
  /// sections on.
  std::string html() const;
  /// Writes the document atomically.
  void save(const std::string& path) const;

 private:
  struct Section {
    std::string anchor, text;
  };
  struct Drawn {
    Figure figure;
    std::string alt;
  };
  std::string anchor(const std::string& text);
  std::string title_, subtitle_, footer_;
  std::vector<std::string> parts_;  // figure i stands between parts i and i + 1
  std::vector<Drawn> figures_;
  std::vector<Section> sections_;
  std::size_t pictures_ = 0;
  std::vector<std::string> anchors_;
};

}  // namespace gradus::report
