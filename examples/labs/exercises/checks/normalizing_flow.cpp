#include <cmath>
#include <string>

#include <gradus/nn/activation.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/scalar_loss.hpp>

#include <normalizing_flow.hpp>

using namespace exercise;
using namespace gradus;

namespace {

std::string at(const char* name, double value) { return std::string(name) + " = " + std::to_string(value); }

void density() {
  for (const double alpha : {0.5, 1.0, 2.0})
    for (const double y : {-1.5, -0.4, 0.3, 2.0})
      expect_close(at("alpha", alpha) + ", " + at("y", y), elu_density(y, alpha),
                   theory::pushforward_density(nn::ELU(alpha).function(), y));
}

void mass() {
  for (const double alpha : {0.1, 1.0, 3.0})
    expect_close(at("alpha", alpha), elu_mass(alpha), theory::normal_cdf(alpha));
}

void coupling() {
  for (const double alpha : {0.5, 1.0, 2.0}) {
    const auto elu = nn::ELU(alpha).function();
    for (const double x : {-3.0, -0.4, 0.2, 4.0})
      for (const double r : {-1.5, 0.0, 0.8}) {
        const std::string where = at("alpha", alpha) + ", " + at("x", x) + ", " + at("r", r);
        const Moved moved = elu_coupling(x, r, alpha);
        expect_close(where + ", ELU(y) + alpha", elu(moved.y) + alpha, (elu(x) + alpha) * std::exp(r));
        // ELU'(y) dy/dx = ELU'(x) e^r.
        expect_close(where + ", log dy/dx", moved.log_slope, std::log(elu(1, x)) + r - std::log(elu(1, moved.y)));
      }
  }
  const Moved far = elu_coupling(-1000, 2, 1);
  expect_close("x = -1000, r = 2: y", far.y, -998);
  expect_close("x = -1000, r = 2: log dy/dx", far.log_slope, 0);
}

void onto() {
  for (double x = -2; x < 3; x += 0.01) expect_close(at("x", x), leaky_elu(x), x > 0 ? x : std::expm1(x));
  const double step = 0.01;
  for (double x = -1000; x < 0; x += step) {
    const double slope = (leaky_elu(x + step) - leaky_elu(x)) / step;
    expect(slope >= 0.05 - 1e-9, "the slope is " + std::to_string(slope) + " near " + at("x", x));
    expect(slope <= 2, "it jumps near " + at("x", x));
  }
  expect(leaky_elu(-1000) < -20, "it does not go below -20");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("normalizing_flow",
                 {{"the density of ELU(Z)", density},
                  {"the mass of the other direction", mass},
                  {"an ELU coupling of one number", coupling},
                  {"an ELU onto all numbers", onto}},
                 argc, argv);
}
