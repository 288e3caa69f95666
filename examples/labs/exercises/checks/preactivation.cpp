#include <cmath>
#include <numbers>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/moments.hpp>
#include <gradus/theory/residual.hpp>

#include <preactivation.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void path() {
  for (const int blocks : {1, 10, 50})
    expect_close(fmt::format("2^({} / 2) times the answer for {} blocks", blocks, blocks),
                 std::exp2(0.5 * blocks) * relu_path(blocks), 1);
}

void typical() {
  const double expected = theory::gaussian_expectation([](double s) { return s < 0 ? s : 0; }, {}, {0});
  expect_close("E ln ELU'(S)", typical_elu_exponent(), expected, 1e-10);
}

void halves() {
  const double mu = mean_that_halves();
  expect(mu > -10 && mu < 10, fmt::format("a mean between -10 and 10 is expected; received {}", mu));
  expect_close(fmt::format("rms gain of 50 blocks at your mean, {:.6g}", mu),
               theory::identity_path_gain(activations::activation("relu"), 50, {.mean = mu}), 0.5, 1e-6);
}

void random_walk() {
  const std::vector<double> expected =
      theory::post_activation_stream(activations::activation("relu"), 12).identity_gain;
  for (int k = 0; k <= 12; ++k) expect_close(fmt::format("{} blocks", k), walk(k), expected[std::size_t(k)]);
  // For large k: (u_k / 2 + u_(k+1)) is about 3 / (2 sqrt(pi k)).
  expect_close("10000 blocks, times 2 sqrt(10000 pi) / 3", walk(10000) * 2 * std::sqrt(10000 * std::numbers::pi) / 3, 1,
               1e-4);
}

void order_and_transposes() {
  // (I + A_0)^T (I + A_1)^T g.
  const std::vector<double> found = backward({{0, 1, 0, 0}, {0, 0, 2, 0}}, {1, 10});
  expect(found.size() == 2, "a gradient of two numbers is expected");
  expect_close("A_0 = [[0, 1], [0, 0]], A_1 = [[0, 0], [2, 0]], g = (1, 10): first number", found[0], 21);
  expect_close("the second number", found[1], 31);
  const std::vector<double> same = backward({}, {3, 4, 5});
  expect(same == std::vector<double>{3, 4, 5}, "without blocks the gradient stays what it is");
}

void alpha() {
  const double a = keeping_alpha();
  expect(a > 0 && a < 100, fmt::format("an alpha above 0 is expected; received {}", a));
  expect_close(fmt::format("E f'^2 at your alpha, {:.8g}", a),
               theory::gaussian_moments(fmt::format("elu({:.17g})", a)).slope_second, 1, 1e-6);
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("preactivation",
                 {{"the identity path with ReLU", path},
                  {"a typical gradient", typical},
                  {"sums that are positive more often", halves},
                  {"a random walk that stays positive", random_walk},
                  {"columns, rows and the order of blocks", order_and_transposes},
                  {"an alpha that keeps gradients", alpha}},
                 argc, argv);
}
