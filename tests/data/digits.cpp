#include "gradus/data/digits.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "support.hpp"

using namespace gradus;

// The sums below were taken from the published optdigits.tes with awk.
TEST_CASE("the digits are the published ones") {
  const data::Dataset digits = data::digits();
  REQUIRE(digits.x.shape() == Shape{1797, 1, 8, 8});
  REQUIRE(digits.y.shape() == Shape{1797});
  CHECK(digits.x.dtype() == float32);
  CHECK(digits.y.dtype() == int64);
  CHECK(digits.size() == 1797);
  CHECK(digits.num_classes() == 10);
  CHECK(digits.class_counts() == std::vector<Index>{178, 182, 177, 183, 181, 182, 181, 179, 174, 180});
  const float* x = digits.x.data<float>();
  const std::int64_t* y = digits.y.data<std::int64_t>();
  std::int64_t sum = 0, squares = 0, labels_by_row = 0;
  std::int64_t fourth_row[8] = {};
  for (Index i = 0; i < 1797; ++i) {
    labels_by_row += (i + 1) * y[i];
    for (Index p = 0; p < 64; ++p) {
      const float count = x[64 * i + p] * 16;
      REQUIRE(count == float(int(count)));
      REQUIRE((count >= 0 && count <= 16));
      sum += int(count);
      squares += int(count) * int(count);
      if (p / 8 == 3) fourth_row[p % 8] += int(count);
    }
  }
  CHECK(sum == 561718);
  CHECK(squares == 6907012);
  CHECK(labels_by_row == 7272861);
  const std::int64_t expected[8] = {2, 4438, 16337, 15852, 17839, 13570, 4165, 4};
  for (int c = 0; c < 8; ++c) CHECK(fourth_row[c] == expected[c]);
  // The first image: 0,0,5,13,9,1,0,0, ... is a zero.
  CHECK(y[0] == 0);
  CHECK(x[2] == 5 / 16.0f);
  CHECK(x[3] == 13 / 16.0f);
}

TEST_CASE("the digits equal the published file, number by number") {
  const std::string path = real_data("optdigits/optdigits.tes");
  if (path.empty()) return;
  const data::Dataset digits = data::digits();
  std::ifstream file(path);
  std::string line;
  Index row = 0;
  while (std::getline(file, line)) {
    REQUIRE(row < 1797);
    std::istringstream fields(line);
    for (Index p = 0; p <= 64; ++p) {
      int value = -1;
      char comma = 0;
      fields >> value >> comma;
      if (p < 64)
        REQUIRE(digits.x.data<float>()[64 * row + p] == float(value) / 16.0f);
      else
        REQUIRE(digits.y.data<std::int64_t>()[row] == value);
    }
    ++row;
  }
  CHECK(row == 1797);
}
