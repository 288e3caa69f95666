#include <cmath>
#include <string>

#include <gradus/theory/kernels.hpp>
#include <gradus/theory/quadrature.hpp>

#include <infinite_width.hpp>

using namespace exercise;
using namespace gradus;

namespace {

std::string at(const char* name, double value) { return name + (" = " + std::to_string(value)); }

void orthogonal() {
  for (const double q : {0.01, 1.0, 7.0}) expect_close(at("q", q), gelu_orthogonal(q), theory::pair_expectation("gelu", {q, q, 0}));
}

void readout_only() {
  for (const double c : {-0.9, 0.0, 0.5, 1.0}) expect_close(at("c", c), readout_ntk(c), theory::neural_kernels("relu", {1, 1, c}).nngp);
}

void deep() {
  for (const int depth : {0, 1, 2, 5})
    for (const double c : {-0.5, 0.3, 1.0})
      expect_close(std::to_string(depth) + " hidden layers, " + at("c", c), deep_relu_ntk(c, depth),
                   theory::neural_kernels("relu", {1, 1, c}, {.depth = depth, .weight_variance = 2}).ntk);
}

// E f(u) f(v) expands in the Hermite coefficients b_k = E f(X) He_k(X) as the sum of b_k^2 c^k / k!; cos^5 and cos^3 contain cos 3t.
// A b_k with odd k >= 3 that is not 0 is what harmonic 3 needs, and it is enough.
void third_harmonic() {
  const auto coefficient = [](auto hermite) {
    return theory::integrate([&](double x) { return with_third_harmonic(x) * hermite(x) * std::exp(-x * x / 2); }, {-9, -3, -1, 0, 1, 3, 9}, {.rtol = 1e-10});
  };
  const double third = coefficient([](double x) { return x * x * x - 3 * x; });
  const double fifth = coefficient([](double x) { return std::pow(x, 5) - 10 * x * x * x + 15 * x; });
  expect(std::isfinite(third) && std::isfinite(fifth), "the activation must be finite, and grow slower than e^(x^2 / 2)");
  expect(std::fabs(third) > 1e-3 || std::fabs(fifth) > 1e-3, "the Hermite coefficients 3 and 5 are both 0: so is the harmonic 3 of its kernel");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("infinite_width",
                 {{"the GELU kernel of orthogonal inputs", orthogonal},
                  {"the NTK of a network whose first layer is frozen", readout_only},
                  {"the NTK of deep ReLU networks", deep},
                  {"an activation that learns the third harmonic", third_harmonic}},
                 argc, argv);
}
