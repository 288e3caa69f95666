#include <cmath>
#include <string>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/residual.hpp>

#include <residual_gain.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void relu_blocks() {
  for (const int blocks : {1, 7, 50})
    for (const double second : {0.02, 0.5})
      expect_close(std::to_string(blocks) + " blocks, s1 = 2, s2 = " + std::to_string(second), relu_gain(blocks, 2, second),
                   theory::residual_stack(activations::activation("relu"), blocks, {.first = 2, .second = second}).gain, 1e-8);
}

void budget() {
  const double second = second_variance();
  expect(second > 0 && std::isfinite(second), "a variance is positive and finite");
  expect_close("100 log of the gain of one block",
               100 * std::log(theory::residual_gain(activations::activation("gelu"), {.second = second})), 1, 1e-8);
}

void singular() {
  // I + B A = [[1, 2], [0, 4]]: squares add up to 21.
  expect_close("A = [[0, 1], [0, 1]], B = [[2, 0], [0, 3]]", mean_squared_singular_value({0, 1, 0, 1}, {2, 0, 0, 3}, 2), 10.5);
  expect_close("A = B = 0, n = 3", mean_squared_singular_value(std::vector<double>(9), std::vector<double>(9), 3), 1);
  // [[1 + 5, 6], [7 * 0, 1]]: A and B must not be taken the wrong way round.
  expect_close("A = [[5, 6], [0, 0]], B = [[1, 0], [2, 0]]", mean_squared_singular_value({5, 6, 0, 0}, {1, 0, 2, 0}, 2),
               (36 + 36 + 100 + 169) / 2.0);
}

void scales() {
  const Scales s = steady();
  expect(s.identity > 0 && s.branch >= 0.1, "the identity must have a scale above 0, the branch one of at least 0.1");
  const double branch = theory::residual_gain(activations::activation("relu")) - 1;
  expect_close("the gain", s.identity * s.identity + s.branch * s.branch * branch, 1);
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("residual_gain",
                 {{"ReLU blocks", relu_blocks},
                  {"a budget for 100 blocks", budget},
                  {"a mean squared singular value", singular},
                  {"blocks that keep gradients", scales}},
                 argc, argv);
}
