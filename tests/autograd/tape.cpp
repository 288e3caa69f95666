#include "gradus/autograd/tape.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/record.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

using namespace gradus;

TEST_CASE("the table lists operations, shapes and bytes, in the order of recording") {
  const Tensor w = ones({4, 5}, {.requires_grad = true});
  const Tensor y = square(matmul(ones({3, 4}), w)).sum();
  const std::string table = autograd::tape_table(y);
  CHECK(autograd::tape_size(y) == 4);
  const std::vector<std::string> words{"leaf", "matmul", "square", "sum", "4 nodes, "};
  std::size_t at = 0;
  for (const std::string& word : words) {
    CAPTURE(word);
    const std::size_t found = table.find(word, at);
    REQUIRE(found != std::string::npos);
    at = found;
  }
  CHECK(table.find("float32 (3, 5)") != std::string::npos);
  // matmul holds (3, 4) and (4, 5), square holds (3, 5)
  CHECK(table.find("4 nodes, " + std::to_string(4 * (12 + 20 + 15)) + " bytes held") != std::string::npos);
  CHECK(std::count(table.begin(), table.end(), '\n') == 6);
  y.backward();
  CHECK(autograd::tape_table(y).find("freed") != std::string::npos);
  CHECK(autograd::tape_table(y).find("4 nodes, 0 bytes held") != std::string::npos);
}

TEST_CASE("a stopwatch adds times") {
  const Tensor x = ones({100}, {.requires_grad = true});
  {
    const autograd::Stopwatch stopwatch;
    CHECK(autograd::tape_table(exp(x).sum()).find(" us") != std::string::npos);
  }
  CHECK(autograd::tape_table(exp(x).sum()).find(" us") == std::string::npos);
}

TEST_CASE("Graphviz gets a node per operation and an edge per input") {
  const Tensor x = ones({2}, {.requires_grad = true});
  const std::string dot = autograd::tape_graphviz((x * x).sum());
  CHECK(dot.find("digraph tape {") == 0);
  const auto count = [&](const std::string& word) {
    std::size_t found = 0;
    for (std::size_t at = dot.find(word); at != std::string::npos; at = dot.find(word, at + 1)) ++found;
    return found;
  };
  CHECK(count("shape=ellipse") == 1);
  CHECK(count("shape=box") == 2);
  CHECK(count(" -> ") == 3);
  CHECK(count("mul\\n(2)") == 1);
}

TEST_CASE("what is off the tape has an empty one") {
  CHECK(autograd::tape_size(ones({2})) == 0);
  CHECK(autograd::tape_size(Tensor{}) == 0);
  CHECK(autograd::tape_table(ones({2})).find("0 nodes, 0 bytes held") != std::string::npos);
}
