#include <cmath>
#include <string>

#include <gradus/theory/denoising.hpp>

#include <denoising.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void linear() {
  for (const double v : {0.1, 1.0, 5.0})
    for (const double sigma : {0.3, 2.0}) {
      const theory::Prior prior{{.kind = theory::PriorPart::Kind::normal, .scale = std::sqrt(v)}};
      const theory::Denoiser same{[](double y) { return y; }, {}};
      expect_close("v = " + std::to_string(v) + ", sigma = " + std::to_string(sigma), linear_shrinkage(v, sigma),
                   theory::best_amplitude(same, prior, sigma).amplitude);
    }
}

void threshold() {
  expect_close("the threshold at sigma = 0.7", exercise::one_sided_threshold(),
               theory::best_threshold(theory::sparse_half_normal(), 0.7, true).parameter, 0.006);
}

void prox() {
  for (const double y : {-3.0, -0.4, 0.0, 0.4, 2.5})
    for (const double weight : {0.0, 0.5, 1.0}) {
      const auto value = [&](double x) { return 0.5 * (x - y) * (x - y) + weight * std::fabs(x); };
      const double x = proximal(y, weight);
      for (double other = -4; other <= 4; other += 0.01)
        expect(value(x) <= value(other) + 1e-12, "y = " + std::to_string(y) + ", weight = " + std::to_string(weight) +
                                                     ": " + std::to_string(other) + " is better than your " +
                                                     std::to_string(x));
    }
}

void better() {
  const theory::Denoiser yours{[](double y) { return estimate(y); }, {}};
  const double risk = theory::denoising_risk(yours, theory::sparse_half_normal(), 0.5);
  expect(risk < 0.1195, "the error is " + std::to_string(risk));
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("denoising",
                 {{"the best linear shrinkage", linear},
                  {"the best one-sided threshold at another noise", threshold},
                  {"the proximal map of the absolute value", prox},
                  {"an estimate of your own", better}},
                 argc, argv);
}
