#include <algorithm>
#include <cmath>
#include <string>

#include <expressivity.hpp>

using namespace exercise;

namespace {

double value(const Net& net, double x) {
  double y = net.constant;
  for (const Unit& unit : net.units) y += unit.weight * std::max(0.0, unit.slope * x + unit.offset);
  return y;
}

std::string at(double x) { return "x = " + std::to_string(x); }

void two_units() {
  expect(absolute_value().units.size() == 2 && identity().units.size() == 2, "two units each");
  for (const double x : {-7.0, -0.5, 0.0, 1.0, 20.0}) {
    expect_close("|x| at " + at(x), value(absolute_value(), x), std::fabs(x));
    expect_close("x at " + at(x), value(identity(), x), x);
  }
}

void sharp() {
  const double k = sharpness();
  double worst = 0;
  for (double x = -5; x <= 5; x += 0.001)
    worst = std::max(worst, std::fabs((x > 0 ? x : std::expm1(k * x) / k) - std::max(0.0, x)));
  expect(worst <= 1.0 / 500 + 1e-12, "the largest difference is " + std::to_string(worst));
  expect(worst >= 0.99 / 500, "the largest difference is " + std::to_string(worst) + ": sharper than needed");
}

void stairs() {
  for (const int steps : {1, 4})
    for (const double width : {0.25, 0.5})
      for (double x = -1; x <= steps + 1; x += 0.125) {
        double expected = 0;
        for (int i = 0; i < steps; ++i) expected += std::clamp((x - i) / width, 0.0, 1.0);
        expect_close(std::to_string(steps) + " steps of width " + std::to_string(width) + ", " + at(x),
                     value(staircase(steps, width), x), expected);
      }
}

void square() {
  const Net net = parabola();
  expect(!net.units.empty() && net.units.size() <= 8, "one to eight units");
  for (double x = -1; x <= 1.0001; x += 0.001)
    expect(std::fabs(value(net, x) - x * x) <= 0.01,
           at(x) + ": " + std::to_string(value(net, x)) + " for " + std::to_string(x * x));
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("expressivity",
                 {{"two units", two_units}, {"ELU as ReLU", sharp}, {"a staircase", stairs}, {"a parabola", square}},
                 argc, argv);
}
