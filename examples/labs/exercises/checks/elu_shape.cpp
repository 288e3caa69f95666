#include <cmath>

#include <fmt/format.h>

#include <elu_shape.hpp>

#include <gradus/activations/registry.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void jumps() {
  for (const double alpha : {0.5, 1.0, 3.0}) {
    const auto f = activations::activation(fmt::format("elu({})", alpha));
    for (int order = 0; order <= 3; ++order)
      expect_close(fmt::format("order {}, alpha = {}", order, alpha), jump(order, alpha),
                   f(order, 1e-12) - f(order, -1e-12), 1e-9);
  }
}

void saturation() {
  for (const int p : {11, 24, 53}) {
    const double x = saturates_below(p), spacing = std::exp2(-p);
    expect_close(fmt::format("p = {}: e^x in spacings of numbers just below 1", p), std::exp(x) / spacing, 0.5, 1e-9);
  }
}

void inverses() {
  const auto check = [](double alpha, double x) {
    const double y = x > 0 ? x : alpha * std::expm1(x), found = inverse(y, alpha);
    expect(std::fabs(found - x) <= 1e-13 * std::fabs(x),
           fmt::format("alpha = {}, y = {}: received {:.17g}, expected {:.17g}", alpha, y, found, x));
  };
  for (const double alpha : {0.5, 1.0, 2.0})
    for (const double x : {3.0, 1e-20, 0.0, -1e-20, -1e-9, -0.5, -2.0}) check(alpha, x);
  expect(std::isnan(inverse(-1.5, 1)), "y = -1.5, alpha = 1: nothing is mapped there, so NaN is expected");
  expect(!(inverse(-2, 2) > -1e300), "y = -alpha: no number is mapped there, so NaN or minus infinity is expected");
}

void line() {
  const auto f = onto();
  for (const double x : {1e-3, 1.0, 50.0}) expect_close(fmt::format("f({})", x), f(x), x);
  expect_close("f(0)", f(0), 0);
  double before = f(-1e3);
  for (double x = -999.5; x <= 2; x += 0.5) {
    const double slope = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6;
    expect(f(x) > before, fmt::format("f does not rise at {}", x));
    expect(slope > 0 && slope < 1 + 1e-6, fmt::format("the slope at {} is {}", x, slope));
    before = f(x);
  }
  expect_close("slope just left of 0", (f(0) - f(-1e-7)) / 1e-7, 1, 1e-4);
  expect(f(-1e12) < f(-1e6) - 1 && f(-1e6) < f(-10) - 1, "it seems to have a limit on the left");
  expect(std::fabs(f(-1e12)) < 1e-3 * 1e12, "it does not press large negative numbers together");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("elu_shape",
                 {{"jumps at 0", jumps},
                  {"where a format saturates", saturation},
                  {"the inverse", inverses},
                  {"onto the whole line", line}},
                 argc, argv);
}
