#include "gradus/report/html.hpp"

#include <doctest/doctest.h>

#include <set>

#include "folder.hpp"
#include "gradus/core/error.hpp"
#include "gradus/report/files.hpp"
#include "gradus/report/gnuplot.hpp"
#include "xml.hpp"

using namespace gradus;
using namespace gradus::report;

namespace {
const std::set<std::string, std::less<>> void_elements{"meta", "br"};

bool contains(const std::string& text, const std::string& what) { return text.find(what) != text.npos; }

// What stands between </header> and </main>.
std::string body(const Page& page) {
  const std::string html = page.html();
  CHECK(xml_complaint(html, void_elements) == "");
  const std::size_t begin = html.find("</header>\n") + 10;
  return html.substr(begin, html.find("</main>") - begin);
}
}  // namespace

TEST_CASE("every kind of part, escaped") {
  CHECK(body(Page("t").heading("A & B", 3)) == "<h3 id=\"s-a-b\">A &amp; B</h3>\n");
  CHECK(body(Page("t").paragraph("x < y & \"z\"")) == "<p>x &lt; y &amp; &quot;z&quot;</p>\n");
  CHECK(body(Page("t").list({"a", "<b>"})) == "<ul>\n<li>a</li>\n<li>&lt;b&gt;</li>\n</ul>\n");
  CHECK(body(Page("t").definitions({{"<k>", "v & `w`"}})) == "<dl>\n<dt>&lt;k&gt;</dt><dd>v &amp; `w`</dd>\n</dl>\n");
  CHECK(body(Page("t").code("a < b\n  `c` **d**")) == "<pre><code>a &lt; b\n  `c` **d**</code></pre>\n");
  CHECK(body(Page("t").callout(Verdict::holds_if, "<t>", "`x`")) ==
        "<div class=\"callout holds-if\"><span class=\"verdict holds-if\">holds "
        "if</span><strong>&lt;t&gt;</strong><p><code>x</code></p></div>\n");
  CHECK(body(Page("t").callout(Verdict::neutral, "note")) ==
        "<div class=\"callout neutral\"><strong>note</strong></div>\n");
  CHECK(body(Page("t").details("s<", [](Page& p) { p.paragraph("in"); })) ==
        "<details>\n<summary>s&lt;</summary>\n<p>in</p>\n</details>\n");
  CHECK(body(Page("t").footer("f & `g`")) == "<footer>f &amp; <code>g</code></footer>\n");
  CHECK(body(Page("t").cards({{"T", "labs/a.html", "x", Verdict::wrong, true}})) ==
        "<div class=\"cards\">\n<div class=\"card\"><a href=\"labs/a.html\">T</a><p>x</p><span class=\"verdict "
        "wrong\">wrong</span></div>\n</div>\n");
  Table table({"a"});
  table.row({"<1>"});
  CHECK(body(Page("t").table(table)) == "<div class=\"scroll\">\n" + table.html() + "</div>\n");
  CHECK_THROWS_WITH_AS(Page("t").heading("x", 1),
                       "Page::heading: the level must be 2, 3 or 4 (1 is the page's title), got 1", Error);
}

TEST_CASE("prose knows code, strong and harmless links, nothing else") {
  const auto p = [](const std::string& text) {
    const std::string html = body(Page("t").paragraph(text));
    return html.substr(3, html.size() - 8);
  };
  CHECK(p("a `b<c` d") == "a <code>b&lt;c</code> d");
  CHECK(p("**a `b` c** d") == "<strong>a <code>b</code> c</strong> d");
  CHECK(p("2 ** 3 ** 4, a*b*c, ` alone and **") == "2 ** 3 ** 4, a*b*c, ` alone and **");
  CHECK(p("[a&b](x.html#y?q=1&r=2)") == "<a href=\"x.html#y?q=1&amp;r=2\">a&amp;b</a>");
  CHECK(p("[a](https://example.org/x)") == "<a href=\"https://example.org/x\">a</a>");
  CHECK(p("[a](javascript:alert(1))") == "[a](javascript:alert(1))");
  CHECK(p("[a](data:text/html,x)") == "[a](data:text/html,x)");
  CHECK(p("[a](x\"onclick=\"y)") == "[a](x&quot;onclick=&quot;y)");
  CHECK(p("x[1] and f(2), [3, 4] (5)") == "x[1] and f(2), [3, 4] (5)");
  CHECK(p("<script>") == "&lt;script&gt;");
  CHECK(p("") == "");
  CHECK_THROWS_AS(Page("t").cards({{"T", "javascript:x", ""}}), Error);
}

TEST_CASE("one file: no scripts, nothing from elsewhere, a title, a table of contents from three sections on") {
  Page page("T & t", "sub <title>");
  page.heading("One").heading("One");
  CHECK_FALSE(contains(page.html(), "<nav"));
  page.heading("ε");
  const std::string html = page.html();
  CHECK(xml_complaint(html, void_elements) == "");
  CHECK(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
  CHECK(contains(html, "<title>T &amp; t</title>"));
  CHECK(contains(html, "<h1>T &amp; t</h1>\n<p>sub &lt;title&gt;</p>"));
  CHECK(contains(
      html,
      "<li><a href=\"#s-one\">One</a></li>\n<li><a href=\"#s-one-2\">One</a></li>\n<li><a href=\"#s-\">ε</a></li>"));
  CHECK(contains(html, "prefers-color-scheme: dark"));
  for (const std::string& foreign :
       std::vector<std::string>{"<script", "<link", "@import", "src=", "url(", "http:", "https:"}) {
    CAPTURE(foreign);
    CHECK_FALSE(contains(html, foreign));
  }
}

TEST_CASE("figures are part of the page, and their names do not clash") {
  try {
    run_gnuplot("");
  } catch (const Error& error) {
    MESSAGE("skipped: ", error.what());
    return;
  }
  Figure figure("Loss <");
  figure.panel().line("relu", {1, 2}, std::vector<double>{1, 2}).points("p", {1}, std::vector<double>{1});
  Page page("t");
  page.figure(figure, "A `caption` &")
      .details("more", [&](Page& p) { p.figure(figure, "", "what & to see"); })
      .picture(figure.svg(), "drawn `before`")
      .picture(figure.svg(), "drawn before & again")
      .paragraph("end");
  const std::string html = page.html();
  CHECK(xml_complaint(html, void_elements) == "");
  CHECK(contains(html, "aria-label=\"Loss &lt;. A `caption` &amp;\""));
  CHECK(contains(html, "aria-label=\"what &amp; to see\""));
  CHECK(contains(html, "<figcaption><b>Figure 1.</b> A <code>caption</code> &amp;</figcaption>"));
  CHECK(html.find("<b>Figure 2.</b>") < html.find("</details>"));
  CHECK(contains(html, "<figcaption>drawn <code>before</code></figcaption>"));
  CHECK(contains(html, "aria-label=\"drawn before &amp; again\""));
  CHECK_FALSE(contains(html, "<?xml"));
  std::set<std::string> ids;
  for (std::size_t at = html.find(" id="); at != html.npos; at = html.find(" id=", at + 1)) {
    const std::string id = html.substr(at + 5, html.find(html[at + 4], at + 5) - at - 5);
    CAPTURE(id);
    CHECK(ids.insert(id).second);
  }
  CHECK(ids.size() > 2);
  for (std::size_t at = html.find("href='#"); at != html.npos; at = html.find("href='#", at + 1))
    CHECK(ids.contains(html.substr(at + 7, html.find('\'', at + 7) - at - 7)));

  const Folder folder;
  page.save(folder / "report.html");
  CHECK(read_file(folder / "report.html") == html);
  CHECK(folder.entries() == 1);
}
