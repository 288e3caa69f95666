#include "gradus/report/progress.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gradus/report/text.hpp"

using namespace gradus::report;

TEST_CASE("the progress line") {
  CHECK(progress_line("elu", 21, 50, 0, 1.2, "it", "loss 0.31", 79, true) ==
        "elu  42 %|████████▊            | 21/50 [1.2 s, 1.7 s left, 17.5 it/s] loss 0.31");
  CHECK(progress_line("elu", 21, 50, 0, 1.2, "it", "", 60, false) ==
        "elu  42 %|####.......| 21/50 [1.2 s, 1.7 s left, 17.5 it/s]");
  CHECK(progress_line("", 0, 50, 0, 0, "it", "", 60, false) ==
        "  0 %|......................| 0/50 [0.0 ms, ? left, ? it/s]");
  CHECK(progress_line("x", 50, 50, 0, 100, "epoch", "", 80, false)
            .find("| 50/50 [1 min 40 s, 0.0 ms left, 2.00 s/epoch]") != std::string::npos);
  // Unknown total, and more done than announced.
  CHECK(progress_line("read", 1234, 0, 0, 2, "lines", "", 80, true) == "read: 1234 lines [2.0 s, 617 lines/s]");
  CHECK(progress_line("x", 60, 50, 0, 1, "it", "", 60, false).find("100 %|") != std::string::npos);
  // What an earlier run did counts neither as rate nor as time left.
  CHECK(progress_line("x", 60, 100, 50, 5, "it", "", 60, false).find("20.0 s left, 2.00 it/s") != std::string::npos);
  for (std::size_t width : {0, 1, 10, 25, 40})
    CHECK(display_width(progress_line("épreuve", 1, 3, 0, 1, "it", "n", width, true)) <= width);
}

TEST_CASE("drawing is throttled and leaves nothing behind") {
  std::vector<std::string> out;
  Progress::Options options;
  options.force = 1;
  options.seconds_between = 0;
  options.sink = [&](std::string_view text) { out.emplace_back(text); };
  {
    Progress progress(3, "x", options);
    progress.step();
    progress.set(2);
    CHECK(progress.done() == 2);
    CHECK(out.size() == 2);
    CHECK(out[0].starts_with("\rx  33 %|"));
    progress.clear();
    CHECK(out.back() == "\r\x1b[2K");
    progress.step();
    progress.finish();
    CHECK(out.back() == "\r\x1b[2K");
    const std::size_t before = out.size();
    progress.step();
    CHECK(out.size() == before);
  }
  out.clear();
  options.seconds_between = 3600;
  {
    Progress progress(0, "x", options);
    for (int i = 0; i < 1000; ++i) progress.step();
  }
  CHECK(out.empty());
}

TEST_CASE("without a terminal there is nothing to see") {
  std::vector<std::string> out;
  Progress::Options options;
  options.seconds_between = 0;
  options.sink = [&](std::string_view text) { out.emplace_back(text); };
  Progress progress(10, "x", options);
  progress.step();
  CHECK(out.empty());
}
