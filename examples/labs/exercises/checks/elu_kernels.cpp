#include <cmath>
#include <string>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/kernels.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/moments.hpp>

#include <elu_kernels.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void mean() {
  for (const double q : {0.01, 1.0, 7.0}) expect_close("q = " + std::to_string(q), elu_mean(q), theory::gaussian_moments("elu", {.variance = q}).mean);
}

void bias() {
  for (const double b : {0.0, 1e-4, 1e-3})
    expect_close("b = " + std::to_string(b), orthogonal_with_small_bias(b), theory::pair_expectation("elu", {1 + b, 1 + b, b}), b == 0 ? 1e-9 : 3 * b * b);
}

void ends() {
  for (const char* name : {"elu", "gelu", "silu"}) {
    const activations::Function f = activations::activation(name);
    const theory::LayerVariances layer = theory::variance_preserving(f);
    const double found = end_of_correlation([&](double c) { return theory::correlation_map(f, c, 1, layer); });
    expect_close(name, found, theory::correlation_fixed_point(f, 1, layer).at, 1e-5);
  }
}

void forgets() {
  const double alpha = forgetful_alpha();
  expect(alpha > 0 && std::isfinite(alpha), "alpha must be positive and finite");
  const activations::Function f = activations::activation("elu(" + std::to_string(alpha) + ")");
  const double end = theory::correlation_fixed_point(f, 1, theory::variance_preserving(f)).at;
  expect(end < 0.1, "with your alpha two inputs end with a correlation of " + std::to_string(end));
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("elu_kernels",
                 {{"the mean of ELU", mean},
                  {"orthogonal inputs, and a small bias", bias},
                  {"where two inputs end", ends},
                  {"an ELU that forgets", forgets}},
                 argc, argv);
}
