#include "gradus/tensor/print.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <sstream>

#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

using namespace gradus;

TEST_CASE("small tensors are shown whole") {
  CHECK(to_string(tensor({{1, -2}, {3, 4.5}})) == "[[ 1., -2.],\n [ 3., 4.5]]  float32 (2, 2)");
  CHECK(to_string(tensor(2)) == "2.  float32 ()");
  CHECK(to_string(arange(3)) == "[0, 1, 2]  int64 (3)");
  CHECK(to_string(ones({1}, {.dtype = float64, .requires_grad = true})) == "[1.]  float64 (1), requires_grad");
  std::ostringstream stream;
  stream << arange(2);
  CHECK(stream.str() == "[0, 1]  int64 (2)");
  CHECK(to_string(Tensor{}) == "Tensor()");
}

TEST_CASE("infinities, NaN, and numbers of every size") {
  const std::string text = to_string(tensor(
      {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(), 1e-30, 123456789, -0.5}));
  for (const char* word : {"inf", "nan", "1e-30", "1.235e+08", "-0.5"}) CHECK(text.find(word) != std::string::npos);
}

TEST_CASE("empty tensors of any shape") {
  CHECK(to_string(zeros({0})) == "[]  float32 (0)");
  CHECK(to_string(zeros({3, 0})) == "[]  float32 (3, 0)");
  CHECK(to_string(zeros({1'000'000'000, 0})) == "[]  float32 (1000000000, 0)");
}

TEST_CASE("long axes are shortened in the middle") {
  const std::string vector = to_string(arange(1001));
  CHECK(vector == "[   0,    1,    2, ...,  998,  999, 1000]  int64 (1001)");
  CHECK(to_string(arange(1000)).find("...") == std::string::npos);
  const std::string matrix = to_string(zeros({100, 200}));
  CHECK(std::count(matrix.begin(), matrix.end(), '\n') == 6);
  CHECK(matrix.find("...,\n") != std::string::npos);
  CHECK(matrix.find("(100, 200)") != std::string::npos);
  // six rows of two short axes are kept
  CHECK(to_string(zeros({6, 200})).find("...,\n") == std::string::npos);
}
