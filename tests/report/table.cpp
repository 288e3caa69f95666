#include "gradus/report/table.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "gradus/core/error.hpp"

using namespace gradus;
using namespace gradus::report;

namespace {
constexpr double NaN = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

Table sample() {
  Table table({"activation", "test loss", Column("accuracy").percent(1), "epochs", "verdict"});
  table.row({"relu", Measured{0.4123, 0.0031}, 0.871, 20, Verdict::holds});
  table.row({"élu ±", Measured{0.39, NaN}, NaN, 5, Verdict::holds_if});
  return table;
}
}  // namespace

TEST_CASE("numbers are written as a person reads them") {
  CHECK(format_number(0.123456) == "0.1235");
  CHECK(format_number(12) == "12.00");
  CHECK(format_number(1234) == "1234");
  CHECK(format_number(9999.7) == "1.000e+04");
  CHECK(format_number(-0.00099996, 3) == "-0.00100");
  CHECK(format_number(0.0000123456) == "1.235e-05");
  CHECK(format_number(123456.0) == "1.235e+05");
  CHECK(format_number(1e6, 1) == "1e+06");
  CHECK(format_number(0) == "0.000");
  CHECK(format_number(NaN) == "nan");
  CHECK(format_number(-NaN) == "nan");
  CHECK(format_number(-inf) == "-inf");
  CHECK(format_fixed(-0.001, 2) == "0.00");
  CHECK(format_fixed(2.5, 0) == "2");
  CHECK(format_fixed(inf, 2) == "inf");
  CHECK(round_trip(0.1) == "0.1");
  CHECK(round_trip(1.0 / 3) == "0.3333333333333333");
  CHECK(round_trip(-NaN) == "nan");
}

TEST_CASE("a mean and its spread end at the same place") {
  CHECK(plus_minus(0.41234, 0.00312) == "0.4123 ± 0.0031");
  CHECK(plus_minus(12345, 678) == "12345 ± 678");
  CHECK(plus_minus(-1.5, 20) == "-2 ± 20");
  CHECK(plus_minus(1.234e-8, 1.2e-10) == "(1.234 ± 0.012)e-08");
  CHECK(plus_minus(2.5e7, 1e6) == "(2.50 ± 0.10)e+07");
  CHECK(plus_minus(0.5, 0) == "0.5000 ± 0");
  CHECK(plus_minus(0, 0) == "0 ± 0");
  CHECK(plus_minus(0.5, NaN) == "0.5000 ± n/a");
  CHECK(plus_minus(NaN, 1) == "nan");
  CHECK(plus_minus(0.41234, 0.00312, 1) == "0.412 ± 0.003");
  CHECK(plus_minus_percent(0.9871, 0.0012) == "98.71 ± 0.12 %");
}

TEST_CASE("durations") {
  CHECK(format_duration(0) == "0.0 ms");
  CHECK(format_duration(0.0451) == "45 ms");
  CHECK(format_duration(12.34) == "12.3 s");
  CHECK(format_duration(59.99) == "1 min 00 s");
  CHECK(format_duration(245) == "4 min 05 s");
  CHECK(format_duration(3599.6) == "1 h 00 min");
  CHECK(format_duration(7380) == "2 h 03 min");
  CHECK(format_duration(90000 * 3) == "3 d 03 h");
  CHECK(format_duration(NaN) == "?");
  CHECK(format_duration(-1) == "?");
}

TEST_CASE("console text is aligned by what is seen, not by bytes") {
  CHECK(sample().text() ==
        "activation        test loss  accuracy  epochs  verdict\n"
        "──────────  ───────────────  ────────  ──────  ────────\n"
        "relu        0.4123 ± 0.0031    87.1 %      20  holds\n"
        "élu ±          0.3900 ± n/a       nan       5  holds if\n");
  std::ostringstream stream;
  stream << sample();
  CHECK(stream.str() == sample().text());
  CHECK(display_width("é±─") == 3);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("学習") == 4);
  CHECK(display_width("\xff\xfe") == 2);
  CHECK(display_width("") == 0);
}

TEST_CASE("captions, rules, wrapping, line breaks and no rows at all") {
  Table table({Column("claim").wrap(12), Column("n").center()});
  table.caption("Claims");
  table.row({"ELU has negative outputs", 1}).rule().row({"two\nlines", "abcde"});
  CHECK(table.text() ==
        "Claims\n"
        "claim        n\n"
        "─────────  ─────\n"
        "ELU has      1\n"
        "negative\n"
        "outputs\n"
        "─────────  ─────\n"
        "two lines  abcde\n");
  const Table empty({"a", "b"});
  CHECK(empty.text() == "a  b\n─  ─\n");
  CHECK(empty.csv() == "a,b\n");
  CHECK(empty.rows() == 0);
}

TEST_CASE("Markdown") {
  CHECK(sample().markdown() ==
        "| activation | test loss | accuracy | epochs | verdict |\n"
        "| --- | ---: | ---: | ---: | --- |\n"
        "| relu | 0.4123 ± 0.0031 | 87.1 % | 20 | holds |\n"
        "| élu ± | 0.3900 ± n/a | nan | 5 | holds if |\n");
  Table hostile({"a|b"});
  hostile.row({"x_1 * [y](z) <img> & `c` \\\nnext"});
  CHECK(hostile.markdown() == "| a\\|b |\n| --- |\n| x\\_1 \\* \\[y\\](z) &lt;img> &amp; \\`c\\` \\\\<br>next |\n");
}

TEST_CASE("HTML is escaped") {
  Table table({"<h>", Column("n").fixed(2)});
  table.caption("a & b")
      .row({"<script>alert('x')</script>\n\"q\"", 1.0})
      .rule()
      .row({Verdict::wrong, Measured{1, 0.5}});
  CHECK(table.html() ==
        "<table>\n<caption>a &amp; b</caption>\n"
        "<thead><tr><th scope=\"col\">&lt;h&gt;</th><th scope=\"col\" class=\"number\">n</th></tr></thead>\n<tbody>\n"
        "<tr><td>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;<br>&quot;q&quot;</td><td "
        "class=\"number\">1.00</td></tr>\n"
        "<tr class=\"rule\"><td><span class=\"verdict wrong\">wrong</span></td><td class=\"number\">1.00 ± "
        "0.50</td></tr>\n"
        "</tbody>\n</table>\n");
  CHECK(escape_html("a\x01\xff"
                    "b") == "a\uFFFD\uFFFDb");
}

TEST_CASE("CSV keeps every digit and splits mean and spread") {
  CHECK(sample().csv() ==
        "activation,test loss,test loss ±,accuracy,epochs,verdict\n"
        "relu,0.4123,0.0031,0.871,20,holds\n"
        "élu ±,0.39,,nan,5,holds if\n");
  Table table({"a,b", "say \"hi\""});
  table.row({"1\n2", "x\r"}).row({1.0 / 3, true});
  CHECK(table.csv() == "\"a,b\",\"say \"\"hi\"\"\"\n\"1\n2\",\"x\r\"\n0.3333333333333333,yes\n");
  const auto records = parse_csv(table.csv());
  CHECK(records.size() == 3);
  CHECK(records[0] == std::vector<std::string>{"a,b", "say \"hi\""});
  CHECK(records[1] == std::vector<std::string>{"1\n2", "x\r"});
  // One Measured cell is enough for the second column; the other rows leave it empty.
  Table mixed({"v"});
  mixed.row({"chance"}).row({Measured{1, 2}});
  CHECK(mixed.csv() == "v,v ±\nchance,\n1,2\n");
}

TEST_CASE("parsing CSV") {
  CHECK(parse_csv("").empty());
  CHECK(parse_csv("a,b\r\n1,2\r\n") == std::vector<std::vector<std::string>>{{"a", "b"}, {"1", "2"}});
  CHECK(parse_csv("a,\n,b") == std::vector<std::vector<std::string>>{{"a", ""}, {"", "b"}});
  CHECK(parse_csv("\"a\",\"b\"\r\n\"c\r\",d\r\n") == std::vector<std::vector<std::string>>{{"a", "b"}, {"c\r", "d"}});
  std::size_t complete = 0;
  CHECK(parse_csv("a\n1\n\"2\n", &complete).size() == 2);
  CHECK(complete == 4);
}

TEST_CASE("a row must fit the columns") {
  Table table({"a", "b"});
  CHECK_THROWS_WITH_AS(table.row({1}), "Table::row: got 1 cells, but there are 2 columns: a, b", Error);
  CHECK_THROWS_WITH_AS(Table({}), "Table: needs at least one column", Error);
}
