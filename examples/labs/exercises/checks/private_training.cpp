#include <cmath>
#include <limits>
#include <string>

#include <fmt/format.h>

#include <gradus/theory/privacy.hpp>

#include <private_training.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void deviation() {
  expect_close("sigma 1.1, C 2, 256 samples", noise_deviation(1.1, 2, 256), 1.1 * 2 / 256);
  expect_close("sigma 0.5, C 0.1, 10 samples", noise_deviation(0.5, 0.1, 10), 0.005);
}

void normalising() {
  for (const double norm : {0.01, 1.0, 30.0})
    expect_close(fmt::format("norm {}, C 2: the norm afterwards", norm), norm * normalising_factor(norm, 2), 2);
  expect(std::isfinite(normalising_factor(0, 2)), "the factor of a gradient of norm 0 must be finite");
}

void divergence() {
  for (const double q : {0.004, 0.1})
    for (const int order : {2, 3, 8, 20})
      expect_close(fmt::format("q = {}, s = 1.3, order {}", q, order), renyi(q, 1.3, order), theory::renyi_divergence({q, 1.3}, order));
}

void noise() {
  for (const double budget : {0.5, 1.0, 4.0}) {
    const auto epsilon = [](double sigma) {
      return sigma > 0 ? theory::privacy_spent({.sampling_rate = 0.01, .noise_multiplier = sigma, .steps = 1000, .delta = 1e-5}).epsilon
                       : std::numeric_limits<double>::infinity();
    };
    const double sigma = enough_noise(epsilon, budget);
    const double least = theory::noise_multiplier_for({.epsilon = budget, .delta = 1e-5, .sampling_rate = 0.01, .steps = 1000});
    expect(sigma > 0 && epsilon(sigma) <= budget, fmt::format("budget {}: sigma {} gives away {}", budget, sigma, epsilon(sigma)));
    expect(sigma <= 1.01 * least, fmt::format("budget {}: sigma {} is more noise than needed; {:.5g} is enough", budget, sigma, least));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("private_training",
                 {{"the noise in the mean", deviation},
                  {"normalising in place of clipping", normalising},
                  {"the Renyi divergence of a step", divergence},
                  {"as little noise as possible", noise}},
                 argc, argv);
}
