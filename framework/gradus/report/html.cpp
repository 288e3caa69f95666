#include "gradus/report/html.hpp"

#include <algorithm>

#include "gradus/core/format.hpp"
#include "gradus/report/files.hpp"

namespace gradus::report {
namespace {

constexpr std::string_view style = R"css(
:root {
  color-scheme: light dark;
  --paper: #fdfdfc; --ink: #20242a; --quiet: #5c6570; --line: #dfe2e6; --soft: #f3f4f6; --link: #0b5cad;
  --holds: #1a7f45; --holds-soft: #e8f5ed; --if: #8a5a00; --if-soft: #fdf3dc; --wrong: #b3261e; --wrong-soft: #fdecea;
  --neutral: #49627d; --neutral-soft: #edf2f7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16191d; --ink: #e3e6ea; --quiet: #9aa4b0; --line: #333a42; --soft: #20252b; --link: #7db7f5;
    --holds: #6fd195; --holds-soft: #16301f; --if: #e9bd5b; --if-soft: #33280f; --wrong: #f2968f; --wrong-soft: #3a1b19;
    --neutral: #a5bcd6; --neutral-soft: #1d2833;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
p, li, .callout, dl, figcaption { overflow-wrap: anywhere; }
main > p, main > ul { max-width: 44rem; }
header { margin-bottom: 2rem; border-bottom: 1px solid var(--line); padding-bottom: 1.25rem; }
h1 { font-size: 2.1rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0; }
header p { color: var(--quiet); font-size: 1.1rem; margin: 0.5rem 0 0; }
h2 { font-size: 1.45rem; line-height: 1.3; margin: 3rem 0 0.75rem; letter-spacing: -0.01em; }
h3 { font-size: 1.15rem; margin: 2rem 0 0.5rem; }
h4 { font-size: 1rem; margin: 1.5rem 0 0.5rem; color: var(--quiet); }
a { color: var(--link); text-underline-offset: 0.15em; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.88em; }
code { background: var(--soft); border-radius: 4px; padding: 0.1em 0.35em; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; padding: 0.9rem 1.1rem; overflow-x: auto; line-height: 1.45; }
pre code { background: none; padding: 0; font-size: inherit; }
nav { background: var(--soft); border-radius: 8px; padding: 0.9rem 1.25rem; margin: 0 0 2rem; }
nav strong { display: block; font-size: 0.8rem; letter-spacing: 0.06em; text-transform: uppercase; color: var(--quiet); }
nav ol { margin: 0.35rem 0 0; padding-left: 1.3rem; columns: 2 16rem; column-gap: 2rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
.scroll { overflow-x: auto; margin: 1.25rem 0; }
table { border-collapse: collapse; font-size: 0.94rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 0.5rem; }
th { text-align: left; font-weight: 600; border-bottom: 2px solid var(--line); vertical-align: bottom; }
th, td { padding: 0.4rem 1.4rem 0.4rem 0; }
td { border-bottom: 1px solid var(--line); vertical-align: top; }
tr.rule td { border-top: 2px solid var(--line); }
th.number, td.number { text-align: right; white-space: nowrap; }
th.center, td.center { text-align: center; }
th:last-child, td:last-child { padding-right: 0.25rem; }
figure { margin: 1.5rem 0 2rem; }
.picture { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 0.5rem; overflow-x: auto; }
.picture svg { display: block; width: 100%; height: auto; margin: 0 auto; }
figcaption { color: var(--quiet); font-size: 0.92rem; margin-top: 0.6rem; max-width: 48rem; }
figcaption b { color: var(--ink); }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: 0.3rem 1.5rem; font-size: 0.95rem; margin: 1rem 0; }
dt { color: var(--quiet); }
dd { margin: 0; font-variant-numeric: tabular-nums; }
.callout { border-left: 4px solid var(--tone); background: var(--tone-soft); border-radius: 0 8px 8px 0; padding: 0.8rem 1.1rem; margin: 1.25rem 0; }
.callout .verdict { margin-right: 0.6rem; }
.callout p { margin: 0.35rem 0 0; }
.holds { --tone: var(--holds); --tone-soft: var(--holds-soft); }
.holds-if { --tone: var(--if); --tone-soft: var(--if-soft); }
.wrong { --tone: var(--wrong); --tone-soft: var(--wrong-soft); }
.neutral { --tone: var(--neutral); --tone-soft: var(--neutral-soft); }
.verdict {
  display: inline-block; color: var(--tone); background: var(--tone-soft); border: 1px solid var(--tone); border-radius: 99px;
  padding: 0 0.6em; font-size: 0.82rem; font-weight: 600; white-space: nowrap; line-height: 1.5;
}
details { border: 1px solid var(--line); border-radius: 8px; padding: 0.6rem 1.1rem; margin: 1.25rem 0; }
summary { cursor: pointer; font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1rem; margin: 1.25rem 0; }
.card { border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.15rem; background: var(--soft); }
.card a { font-weight: 600; text-decoration: none; }
.card a:hover { text-decoration: underline; }
.card p { margin: 0.35rem 0 0.5rem; font-size: 0.93rem; line-height: 1.5; }
footer { margin-top: 3.5rem; border-top: 1px solid var(--line); padding-top: 1rem; color: var(--quiet); font-size: 0.88rem; }
@media (max-width: 40rem) {
  body { font-size: 16px; }
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.65rem; }
  h2 { font-size: 1.3rem; margin-top: 2.25rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 0.5rem; }
}
@media print {
  :root { --paper: #fff; --ink: #000; --quiet: #444; --line: #ccc; --soft: #f6f6f6; --link: #000;
    --holds: #1a7f45; --holds-soft: #fff; --if: #8a5a00; --if-soft: #fff; --wrong: #b3261e; --wrong-soft: #fff; --neutral: #49627d; --neutral-soft: #fff; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  figure, table, .callout, pre { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .picture { border: none; padding: 0; overflow: visible; }
  .picture svg { min-width: 0 !important; }
  nav { display: none; }
}
)css";

constexpr const char* css_class(Verdict verdict) {
  constexpr const char* classes[] = {"holds", "holds-if", "wrong", "neutral"};
  return classes[static_cast<int>(verdict)];
}

std::string badge(Verdict verdict) {
  return fmt::format("<span class=\"verdict {}\">{}</span>", css_class(verdict), name(verdict));
}

// Relative, or of a scheme that runs nothing.
bool is_safe_target(std::string_view target) {
  if (target.empty() || target.find_first_of(" \t\n<>\"") != target.npos) return false;
  for (std::string_view scheme : {"https:", "http:", "mailto:"})
    if (target.starts_with(scheme)) return true;
  const std::size_t colon = target.find(':');
  return colon == target.npos || target.find_first_of("/#?") < colon;
}

// Prose: `code`, **strong** and [words](target); everything else is text.
std::string prose(std::string_view text) {
  std::string out;
  std::size_t plain = 0;
  const auto flush = [&](std::size_t end) { out += escape_html(text.substr(plain, end - plain)); };
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '`') {
      const std::size_t end = text.find('`', at + 1);
      if (end != text.npos && end > at + 1) {
        flush(at);
        out += "<code>" + escape_html(text.substr(at + 1, end - at - 1)) + "</code>";
        at = plain = end + 1;
        continue;
      }
    } else if (text.substr(at, 2) == "**") {
      const std::size_t end = text.find("**", at + 2);
      if (end != text.npos && end > at + 2 && text[at + 2] != ' ' && text[end - 1] != ' ') {
        flush(at);
        out += "<strong>" + prose(text.substr(at + 2, end - at - 2)) + "</strong>";
        at = plain = end + 2;
        continue;
      }
    } else if (text[at] == '[') {
      const std::size_t middle = text.find("](", at + 1), end = middle == text.npos ? middle : text.find(')', middle);
      if (end != text.npos && text.substr(at + 1, middle - at - 1).find_first_of("[]\n") == text.npos) {
        const std::string_view target = text.substr(middle + 2, end - middle - 2);
        if (is_safe_target(target)) {
          flush(at);
          out +=
              "<a href=\"" + escape_html(target) + "\">" + escape_html(text.substr(at + 1, middle - at - 1)) + "</a>";
          at = plain = end + 1;
          continue;
        }
      }
    }
    ++at;
  }
  flush(text.size());
  return out;
}

}  // namespace

Page::Page(std::string title, std::string subtitle)
    : title_(std::move(title)), subtitle_(std::move(subtitle)), parts_(1) {}

std::string Page::anchor(const std::string& text) {
  std::string slug;
  for (char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (c >= 'A' && c <= 'Z')
      slug += static_cast<char>(c - 'A' + 'a');
    else if (letter)
      slug += c;
    else if (!slug.empty() && slug.back() != '-')
      slug += '-';
  }
  while (slug.ends_with('-')) slug.pop_back();
  // "s-" keeps headings apart from the ids inside the figures.
  slug = "s-" + slug;
  std::string unique = slug;
  for (int n = 2; std::find(anchors_.begin(), anchors_.end(), unique) != anchors_.end(); ++n)
    unique = fmt::format("{}-{}", slug, n);
  anchors_.push_back(unique);
  return unique;
}

Page& Page::heading(const std::string& text, int level) {
  if (level < 2 || level > 4)
    failf("Page::heading", "the level must be 2, 3 or 4 (1 is the page's title), got {}", level);
  const std::string id = anchor(text);
  if (level == 2) sections_.push_back({id, text});
  parts_.back() += fmt::format("<h{0} id=\"{1}\">{2}</h{0}>\n", level, id, escape_html(text));
  return *this;
}

Page& Page::paragraph(const std::string& text) { return parts_.back() += "<p>" + prose(text) + "</p>\n", *this; }

Page& Page::list(const std::vector<std::string>& items) {
  parts_.back() += "<ul>\n";
  for (const std::string& item : items) parts_.back() += "<li>" + prose(item) + "</li>\n";
  parts_.back() += "</ul>\n";
  return *this;
}

Page& Page::table(const Table& table) {
  return parts_.back() += "<div class=\"scroll\">\n" + table.html() + "</div>\n", *this;
}

Page& Page::picture(std::string_view svg, const std::string& caption) {
  parts_.back() += fmt::format("<figure>\n<div class=\"picture\">\n{}</div>\n<figcaption>{}</figcaption>\n</figure>\n",
                               inline_svg(svg, fmt::format("p{}-", ++pictures_), caption), prose(caption));
  return *this;
}

Page& Page::figure(const Figure& figure, const std::string& caption, const std::string& alt) {
  parts_.back() += "<figure>\n<div class=\"picture\">\n";
  std::string described = alt;
  if (described.empty()) {
    described = figure.title();
    if (!caption.empty()) described += (described.empty() ? "" : ". ") + caption;
  }
  figures_.push_back({figure, described});
  parts_.push_back(fmt::format("</div>\n<figcaption><b>Figure {}.</b> {}</figcaption>\n</figure>\n", figures_.size(),
                               prose(caption)));
  return *this;
}

Page& Page::definitions(const std::vector<std::pair<std::string, std::string>>& items) {
  parts_.back() += "<dl>\n";
  for (const auto& [term, value] : items)
    parts_.back() += "<dt>" + escape_html(term) + "</dt><dd>" + escape_html(value) + "</dd>\n";
  parts_.back() += "</dl>\n";
  return *this;
}

Page& Page::callout(Verdict verdict, const std::string& title, const std::string& text) {
  // A neutral box is a remark; "not tested" would be said of a claim.
  const std::string tag = verdict == Verdict::neutral ? "" : badge(verdict);
  parts_.back() +=
      fmt::format("<div class=\"callout {}\">{}<strong>{}</strong>", css_class(verdict), tag, escape_html(title));
  if (!text.empty()) parts_.back() += "<p>" + prose(text) + "</p>";
  parts_.back() += "</div>\n";
  return *this;
}

Page& Page::code(const std::string& text) {
  return parts_.back() += "<pre><code>" + escape_html(text) + "</code></pre>\n", *this;
}

Page& Page::details(const std::string& summary, const std::function<void(Page&)>& body) {
  parts_.back() += "<details>\n<summary>" + escape_html(summary) + "</summary>\n";
  body(*this);
  parts_.back() += "</details>\n";
  return *this;
}

Page& Page::cards(const std::vector<Card>& cards) {
  parts_.back() += "<div class=\"cards\">\n";
  for (const Card& card : cards) {
    if (!is_safe_target(card.target))
      failf("Page::cards", "\"{}\" is no relative path and no web address", card.target);
    parts_.back() +=
        fmt::format("<div class=\"card\"><a href=\"{}\">{}</a><p>{}</p>{}</div>\n", escape_html(card.target),
                    escape_html(card.title), prose(card.text), card.show_verdict ? badge(card.verdict) : "");
  }
  parts_.back() += "</div>\n";
  return *this;
}

Page& Page::footer(const std::string& text) { return footer_ = text, *this; }

std::string Page::html() const {
  std::vector<Rendering> renderings;
  for (const Drawn& drawn : figures_) renderings.push_back({&drawn.figure, ImageFormat::svg});
  const std::vector<std::string> images = render(renderings);

  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n"
      "<header>\n<h1>{}</h1>\n",
      escape_html(title_), style, escape_html(title_));
  if (!subtitle_.empty()) out += "<p>" + escape_html(subtitle_) + "</p>\n";
  out += "</header>\n";
  if (sections_.size() >= 3) {
    out += "<nav aria-label=\"Contents\"><strong>Contents</strong>\n<ol>\n";
    for (const Section& section : sections_)
      out += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.anchor, escape_html(section.text));
    out += "</ol>\n</nav>\n";
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (i > 0) out += inline_svg(images[i - 1], fmt::format("f{}-", i), figures_[i - 1].alt);
    out += parts_[i];
  }
  if (!footer_.empty()) out += "<footer>" + prose(footer_) + "</footer>\n";
  return out + "</main>\n</body>\n</html>\n";
}

void Page::save(const std::string& path) const { write_file_atomically(path, html()); }

}  // namespace gradus::report
