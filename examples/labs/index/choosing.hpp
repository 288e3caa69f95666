#pragma once
// docs/labs/choosing.md, advice made of the labs' numbers alone: its text is docs/labs/choosing.in.md, whose places are
// filled with what the labs measured.
//
//   {{LAB: QUANTITY}}             what was found, with its standard error; QUANTITY as it stands in the lab's
//   results.csv
//   {{LAB: QUANTITY --- OTHER}}   the difference of two, with the error of independent ones
//   {{predicted LAB: QUANTITY}}   what theory says
//   {{above LAB: QUANTITY}}       as the first two, where the text says that it is positive; below: negative; open:
//   neither
//   {{side LAB: QUANTITY}}        "ahead", "behind" or "undecided", which is then as the numbers have it
//   {{full LAB: QUANTITY}}        any of these, for a quantity that only a full run has
//
// A sign counts when a number is two standard errors from 0, or its 95 % interval does not hold 0 where that is its
// uncertainty ("half of the 95 % interval" in its name).
#include <map>
#include <string>
#include <vector>

#include <gradus/report/html.hpp>

namespace choosing {

struct Measurement {
  std::string quantity;
  double predicted, measured, uncertainty;  // NaN: there is none
};
struct Results {
  std::vector<Measurement> measurements;
  bool skipped = false;  // the lab said that it left something out, e.g. because a data set is not there
  bool quick = false;    // numbers of a quick run are there, but say little: no sign is judged by them
};

struct Filled {
  std::string text;
  std::vector<std::string> problems;  // places without a number, and sentences that the numbers do not bear out
  std::vector<std::string> absent;    // places without a number in labs that left something out
};
Filled fill(const std::string& text, const std::map<std::string, Results>& labs);

// The parts of the text between its places; a page made of it has them all, in this order.
bool is_made_of(const std::string& page, const std::string& text);

// Headings, paragraphs, lists and tables; links to the labs' pages become links to their reports.
void show(const std::string& markdown, gradus::report::Page& page);

}  // namespace choosing
