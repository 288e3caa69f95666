#include <cmath>
#include <string>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/moments.hpp>
#include <gradus/theory/selu.hpp>

#include <self_normalizing.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void gradient() {
  const theory::SeluConstants c = theory::selu_constants();
  const double one = theory::gaussian_moments("selu").slope_second;
  for (const int layers : {1, 10, 100})
    expect_close(fmt::format("{} layers", layers), squared_gradient(double(c.scale), double(c.alpha), layers), std::pow(one, layers));
}

void elu() {
  const double second = theory::gaussian_moments("elu").second;
  expect_close("ELU", weights_for_elu(second), theory::preserving_weight_variance("elu"));
}

void dropout() {
  const theory::SeluConstants c = theory::selu_constants();
  for (const double p : {0.05, 0.1, 0.5}) {
    const theory::AlphaDropoutAffine expected = theory::alpha_dropout_affine(p);
    const Affine found = alpha_dropout(-double(c.scale * c.alpha), p);
    expect_close(fmt::format("a, p = {}", p), found.a, expected.scale);
    expect_close(fmt::format("b, p = {}", p), found.b, expected.shift);
  }
}

Moments moments_of(double variance, double lambda, double alpha) {
  const auto f = [&](double x) { return lambda * (x > 0 ? x : alpha * std::expm1(x)); };
  const theory::GaussianOptions law{.mean = 0, .variance = variance};
  return {theory::gaussian_expectation(f, law, {0}), theory::gaussian_expectation([&](double x) { return f(x) * f(x); }, law, {0})};
}

void fixed_point() {
  for (const double variance : {1.0, 0.25, 4.0}) {
    const Constants c = constants_for(variance, [&](double lambda, double alpha) { return moments_of(variance, lambda, alpha); });
    const Moments m = moments_of(variance, c.lambda, c.alpha);
    expect_close(fmt::format("variance {}: the mean", variance), m.mean, 0, 1e-6);
    expect_close(fmt::format("variance {}: the mean square", variance), m.second, variance, 1e-6);
    expect(c.lambda > 0 && c.alpha > 0, "both constants are positive");
  }
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("self_normalizing",
                 {{"the growth of gradients", gradient},
                  {"weights for ELU", elu},
                  {"AlphaDropout's affine part", dropout},
                  {"constants for another variance", fixed_point}},
                 argc, argv);
}
