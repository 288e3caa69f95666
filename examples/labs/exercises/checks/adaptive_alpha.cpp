#include <cmath>
#include <string>
#include <vector>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/elu_alpha.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/moments.hpp>

#include <adaptive_alpha.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void slope() {
  expect_close("alpha", unit_slope_alpha(), theory::adaptive_elu_alpha(theory::EluCondition::unit_slope, 0, 1));
}

void leaky() {
  const double a = std::fabs(leaky_slope());
  expect(a < 1e6, "the slope is finite");
  const auto f = activations::activation("leaky_relu(" + std::to_string(a) + ")");
  for (const double variance : {0.1, 9.0})
    expect_close("E f'^2 for variance " + std::to_string(variance),
                 theory::gaussian_moments(f, {.variance = variance}).slope_second, 1, 1e-6);
}

void centred() {
  for (const std::vector<double>& x : {std::vector<double>{1, -1}, {0.5, 2, -3, -0.1, 0}, {-5, -4, 0.01}}) {
    const double alpha = centring_alpha(x);
    double sum = 0;
    for (const double v : x) sum += v > 0 ? v : alpha * std::expm1(v);
    expect_close("the sum of ELU over " + std::to_string(x.size()) + " numbers, alpha = " + std::to_string(alpha), sum,
                 0);
  }
}

void critical() {
  const Critical c = both_ways();
  expect(c.alpha > 0 && c.bias_variance >= 0, "alpha is positive, a variance not negative");
  const auto f = activations::activation("elu(" + std::to_string(c.alpha) + ")");
  const theory::LayerVariances layer{1, c.bias_variance};
  expect_close("V(1)", theory::variance_map(f, 1, layer), 1, 1e-4);
  expect_close("chi_1", theory::chi_1(f, 1, layer), 1, 1e-4);
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("adaptive_alpha",
                 {{"the mean slope of ELU", slope},
                  {"leaky ReLU that keeps gradients", leaky},
                  {"an alpha for given numbers", centred},
                  {"variance and gradients at once", critical}},
                 argc, argv);
}
