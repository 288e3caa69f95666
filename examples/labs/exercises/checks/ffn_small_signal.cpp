#include <cmath>
#include <string>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/moments.hpp>
#include <gradus/theory/readout.hpp>

#include <ffn_small_signal.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void constant_share() {
  const theory::Moments m = theory::gaussian_moments("relu", {.variance = 0.3});
  expect_close("the share", constant_share_of_relu(), m.mean * m.mean / m.second);
}

void shifted() {
  const double q = 1e-8;
  const auto squared = [](double x) { return std::pow(std::log1p(std::exp(x)) - std::log(2.0), 2); };
  expect_close("the limit", limit_of_shifted_softplus(),
               theory::gaussian_expectation(squared, {.variance = q}) / (q / 2), 1e-6);
}

void fold() {
  const auto gelu = activations::activation("gelu");
  for (const double x : {-0.1, -0.5, -0.7, -0.8, -1.5, -4.0}) {
    const double other = partner(x);
    const std::string at = "x = " + std::to_string(x);
    expect(other < 0, at + ": the partner is negative");
    expect(std::fabs(other - x) > 0.05, at + ": your answer is x itself, " + std::to_string(other));
    expect_close(at + ", GELU at your answer", gelu(other), gelu(x), 1e-9);
  }
}

void invertible() {
  const std::string name = invertible_half();
  const auto f = activations::activation(name);
  const theory::Moments m = theory::gaussian_moments(f, {.variance = 1.0 / 3});
  expect(m.second / (1.0 / 6) < 0.75, name + " passes on " + std::to_string(m.second * 6) + " of ReLU's second moment");
  expect(theory::lost_variance(f, 1) == 0, name + " gives one value to several inputs");
  // A straight line, kinked or not, has no curvature away from 0.
  expect(std::fabs(f(1) - 2 * f(0.5) + f(0)) > 1e-3 || std::fabs(f(-1) - 2 * f(-0.5) + f(0)) > 1e-3,
         name + " is made of straight lines");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("ffn_small_signal",
                 {{"the constant part of ReLU", constant_share},
                  {"another slope of 1/2", shifted},
                  {"two inputs of one value", fold},
                  {"half of the signal and nothing lost", invertible}},
                 argc, argv);
}
