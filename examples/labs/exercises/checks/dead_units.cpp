#include <cmath>
#include <string>
#include <vector>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/dead_units.hpp>

#include <dead_units.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void chance() {
  for (const double mu : {0.0, -1.0, -2.5})
    for (const double s : {0.5, 1.0})
      for (const int n : {1, 20})
        expect_close(
            "mu = " + std::to_string(mu) + ", s = " + std::to_string(s) + ", n = " + std::to_string(n),
            dead_chance(mu, s, n),
            theory::dead_unit_probability(activations::activation("relu"), n, {.mean = mu, .variance = s * s}));
}

void half() {
  const double mu = half_dead();
  expect(std::fabs(mu) < 10, "mu is a small number");
  expect_close("the chance at your mu",
               theory::dead_unit_probability(activations::activation("relu"), 100, {.mean = mu}), 0.5, 1e-3);
}

void counting() {
  const std::vector<double> z{-1, 2, -3, 0, -1, -0.5};
  expect_close("2 samples of 3 units", exercise::dead_units(z, 2, 3), 2);
  expect_close("3 samples of 2 units", exercise::dead_units(z, 3, 2), 1);
  expect_close("1 sample of 6 units", exercise::dead_units(z, 1, 6), 5);
}

void slopes() {
  for (double x = 0; x <= 5; x += 0.5) expect_close("x = " + std::to_string(x), never_dead(x), x);
  double before = never_dead(-100);
  for (double x = -99.99; x <= 0; x += 0.01) {
    const double now = never_dead(x);
    expect(now >= before, "it falls before " + std::to_string(x));
    expect(now >= -1 - 1e-12 && now <= 1e-12, "at " + std::to_string(x) + " it is " + std::to_string(now));
    if (x > -19.99)
      expect(now - before >= 0.01 * 0.01 * (1 - 1e-6),
             "the slope before " + std::to_string(x) + " is " + std::to_string((now - before) / 0.01));
    before = now;
  }
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("dead_units",
                 {{"the chance of a dead unit", chance},
                  {"where half of the units are dead", half},
                  {"counting dead units", counting},
                  {"bounded below and nowhere flat", slopes}},
                 argc, argv);
}
