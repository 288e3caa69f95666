// Small numbers of single units: double backpropagation, differences, losses, distillation, changes of variables, exact
// solutions.
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "gradus/activations/registry.hpp"
#include "gradus/theory/distillation.hpp"
#include "gradus/theory/double_backprop.hpp"
#include "gradus/theory/finite_difference.hpp"
#include "gradus/theory/pde.hpp"
#include "gradus/theory/quadrature.hpp"
#include "gradus/theory/scalar_loss.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;
using std::numbers::pi;

namespace {

activations::Function function(std::string_view name) { return activations::activation(name); }

void check_digits(double value, double expected, double unit) {
  CAPTURE(value);
  CAPTURE(expected);
  CHECK(std::abs(value - expected) <= 0.6 * unit);
}

}  // namespace

TEST_CASE("double backpropagation: the strengths of the claims") {
  const char* names[] = {"relu", "elu", "tanh", "gelu"};
  const double biases[] = {0, -1, 1};
  const double by_mean[3][4] = {{2.0, 1.652, 3.495, 1.934}, {6.303, 2.547, 3.460, 3.979}, {1.189, 1.219, 3.460, 1.343}};
  const double by_rms[3][4] = {
      {1.414, 1.335, 2.052, 1.320}, {2.511, 1.620, 1.888, 1.826}, {1.0902, 1.0882, 1.888, 1.0990}};
  for (int b = 0; b < 3; ++b)
    for (int i = 0; i < 4; ++i) {
      CAPTURE(std::string(names[i]));
      CAPTURE(biases[b]);
      const DoubleBackprop d = double_backprop(function(names[i]), {.bias = biases[b]});
      check_digits(d.lambda_mean, by_mean[b][i], 1e-3);
      check_digits(d.lambda_rms, by_rms[b][i], 1e-3);
      CHECK(d.lambda_mean * std::abs(d.mean_gradient) == doctest::Approx(1));
    }
  // dR/dw by differences of E R = w^2 E f'^2 / 2.
  const auto penalty = [](double w) {
    const auto tanh = function("tanh");
    return integrate(
        [&](double x) {
          const double slope = w * tanh(1, w * x + 0.4);
          return 0.5 * slope * slope * std::exp(-0.5 * x * x) / std::sqrt(2 * pi);
        },
        {-12, -3, 0, 3, 12});
  };
  CHECK(double_backprop(function("tanh"), {.bias = 0.4, .weight = 1.3}).mean_gradient ==
        doctest::Approx((penalty(1.3 + 1e-5) - penalty(1.3 - 1e-5)) / 2e-5).epsilon(1e-9));
  CHECK(double_backprop(function("relu"), {.target = 0.1}).lambda_mean == doctest::Approx(0.2));
  check_contains(thrown([] { (void)double_backprop(function("relu"), {.weight = 0}); }),
                 {"double_backprop", "weight of 0"});
  check_contains(thrown([] { (void)double_backprop(function("relu"), {.target = 0}); }), {"target"});
  check_contains(thrown([] { (void)double_backprop(function("relu"), {.target = INFINITY}); }), {"target of inf"});
}

TEST_CASE("forward differences") {
  const auto error = [](const char* name, double x, double h = 0.01) {
    return forward_difference_error(function(name), x, h);
  };
  check_digits(error("elu", -1).error, .00184554, 1e-8);
  check_digits(error("elu", -1).leading, .00183940, 1e-8);
  CHECK(error("elu", 0.5).error == 0);
  CHECK(error("elu", 3).error == 0);
  check_digits(error("elu", -0.005).error, .0037396, 1e-7);
  check_digits(error("elu", -0.005).leading, .0049751, 1e-7);
  check_digits(error("tanh", 1).error, -.0031881, 1e-7);
  check_digits(error("gelu", 0).error, .0039894, 1e-7);
  for (const double x : {-2.3, -0.1, 0.7}) {
    const auto gelu = function("gelu");
    CHECK(std::abs(error("gelu", x, 0.1).error - ((gelu(x + 0.1) - gelu(x)) / 0.1 - gelu(1, x))) < 1e-14);
    CHECK(error("gelu", x, 1e-9).error == doctest::Approx(error("gelu", x, 1e-9).leading).epsilon(1e-6));
  }
  check_contains(thrown([] { (void)forward_difference_error(function("elu"), 0, 0); }),
                 {"forward_difference_error", "0"});
}

TEST_CASE("a loss over one weight") {
  const auto gelu = function("gelu"), relu = function("relu");
  const auto negative = negative_curvature(gelu, 1);
  REQUIRE(negative.size() == 1);
  check_digits(negative[0].low, -1.3797, 1e-4);
  check_digits(negative[0].high, 0.3288, 1e-4);
  check_digits(scalar_loss(gelu, 1, 0).curvature, -0.54788, 1e-5);
  CHECK(scalar_loss(gelu, 1, 0).curvature == doctest::Approx(0.25 - std::sqrt(2 / pi)).epsilon(1e-14));
  for (const double w : {0.1, 1.0, 7.0}) CHECK(scalar_loss(relu, 1, w).curvature == 1);
  CHECK(scalar_loss(relu, 1, -1).curvature == 0);
  CHECK(scalar_loss(relu, 1, 3).slope == 2);
  CHECK(scalar_loss(relu, 1, 3).value == 2);
  CHECK(!newton_path(gelu, 1, 0.2).converged);
  CHECK(newton_path(gelu, 1, 0.2).weights.back() < -5);
  const NewtonPath maximum = newton_path(gelu, 0.5, -0.5);
  CHECK(maximum.converged);
  check_digits(maximum.weights.back(), -0.75179, 1e-5);
  CHECK(scalar_loss(gelu, 0.5, maximum.weights.back()).curvature < 0);
  for (const double start : {0.5, 2.0}) check_digits(newton_path(gelu, 1, start).weights.back(), 1.1444507, 1e-7);
  check_digits(inverse(gelu, 1, {0, 10}), 1.1444507, 1e-7);
  CHECK(inverse(function("elu"), std::expm1(-2.5), {-10, 10}) == doctest::Approx(-2.5).epsilon(1e-14));
  check_contains(thrown([&] { (void)inverse(function("elu"), -1.5); }), {"inverse", "elu", "-1.5"});
  check_contains(thrown([&] { (void)negative_curvature(gelu, 1, {2, 1}); }), {"negative_curvature"});
  check_contains(thrown([&] { (void)newton_path(gelu, 1, std::nan("")); }), {"newton_path"});
  check_contains(thrown([&] { (void)newton_path(gelu, std::nan(""), 1); }), {"newton_path", "nan"});
  check_contains(thrown([&] { (void)scalar_loss(gelu, 1, std::nan("")); }), {"scalar_loss", "nan"});
  check_contains(thrown([&] { (void)negative_curvature(gelu, INFINITY); }), {"negative_curvature", "inf"});
}

TEST_CASE("changes of variables: ELU as a flow") {
  const auto elu = function("elu");
  double log_det = 0;
  for (const double x : {-2.0, -0.5, 0.0, 0.3, 1.5}) log_det += std::log(elu(1, x));
  CHECK(log_det == doctest::Approx(-2.5).epsilon(1e-15));
  check_digits(pushforward_density(elu, -0.5), 0.6274961, 1e-7);
  CHECK(pushforward_density(elu, -1.0001) == 0);
  CHECK(pushforward_density(elu, 2) == doctest::Approx(std::exp(-2) / std::sqrt(2 * pi)).epsilon(1e-13));
  const auto density = [&](double y) { return pushforward_density(elu, y); };
  CHECK(integrate(density, {-1 + 1e-12, -0.99, -0.9, -0.5, 0}) == doctest::Approx(0.5).epsilon(1e-9));
  CHECK(integrate(density, {0, 1, 3, 12}) == doctest::Approx(0.5).epsilon(1e-12));
  CHECK(pushforward_density(function("identity"), 3, 1, 4) ==
        doctest::Approx(std::exp(-0.5) / std::sqrt(8 * pi)).epsilon(1e-13));
  check_contains(thrown([] { (void)pushforward_density(function("relu"), 1); }), {"pushforward_density", "relu"});
  check_contains(thrown([] { (void)pushforward_density(function("gelu"), 1); }), {"gelu"});
  check_contains(thrown([] { (void)pushforward_density(function("elu"), std::nan("")); }), {"nan"});
}

TEST_CASE("distillation") {
  const std::vector<double> teacher{2, -1, 0.5, 0}, student{1, 0.3, -0.2, 1};
  for (const double t : {1.0, 2.0, 30.0}) {
    const Distillation d = distillation(teacher, student, t);
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      std::vector<double> up = student, down = student;
      up[i] += 1e-5, down[i] -= 1e-5;
      const double difference =
          (distillation(teacher, up, t).divergence - distillation(teacher, down, t).divergence) / 2e-5;
      CHECK(d.gradient[i] == doctest::Approx(difference).epsilon(1e-7));
      sum += d.gradient[i];
    }
    CHECK(std::abs(sum) < 1e-15);
    CHECK(d.scaled == doctest::Approx(t * t * d.divergence));
  }
  CHECK(distillation(teacher, student, 1e6).scaled ==
        doctest::Approx(distillation_limit(teacher, student)).epsilon(1e-5));
  CHECK(distillation(teacher, teacher, 3).divergence == 0);
  // The example of the claims: up to shifts these logits.
  const std::vector<double> wise{2, 1, 0.5, -1}, eager{1, 1.5, 0, -0.5};
  CHECK(distillation(wise, eager, 2).divergence == doctest::Approx(0.0574179).epsilon(1e-6));
  CHECK(distillation(wise, eager, 2).scaled == doctest::Approx(0.2296718).epsilon(2e-7));
  CHECK(distillation_limit(wise, eager) == doctest::Approx(27.0 / 128).epsilon(1e-15));
  // Two classes, by hand: q = 1/2, p = 1/4.
  const Distillation two = distillation({0, 0}, {0, std::log(3.0)}, 1);
  CHECK(two.divergence == doctest::Approx(0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3)));
  // The limit is a variance: differences 0 and 3/2 in turn give (3/4)^2 / 2.
  CHECK(distillation_limit({1.5, 0, 1.5, 0}, {0, 0, 0, 0}) == doctest::Approx(0.28125));
  const double soft = mixed_distillation_loss(teacher, student, 0, 2, 0),
               hard = mixed_distillation_loss(teacher, student, 0, 2, 1);
  CHECK(soft == doctest::Approx(distillation(teacher, student, 2).scaled));
  CHECK(hard == doctest::Approx(std::log(std::exp(1) + std::exp(0.3) + std::exp(-0.2) + std::exp(1)) - 1));
  CHECK(mixed_distillation_loss(teacher, student, 0, 2, 0.3) == doctest::Approx(0.3 * hard + 0.7 * soft));
  check_contains(thrown([&] { (void)distillation(teacher, {1, 2}, 1); }), {"distillation", "4", "2"});
  check_contains(thrown([&] { (void)distillation(teacher, student, 0); }), {"temperature of 0"});
  check_contains(thrown([&] { (void)mixed_distillation_loss(teacher, student, 4, 1, 0.5); }), {"label 4"});
  check_contains(thrown([&] { (void)mixed_distillation_loss(teacher, student, 0, 1, 1.5); }), {"1.5"});
}

TEST_CASE("Burgers' front") {
  const double nu = 0.01 / pi;
  check_digits(burgers_sine(0.01, 1, nu).u, -.5942562, 1e-7);
  const BurgersFront front = burgers_steepest(nu);
  check_digits(front.slope, -152.0051616, 1e-7);
  check_digits(front.time, .5104698, 2e-7);  // by a thirty-digit derivative
  // The equation holds, by differences.
  for (const double x : {-0.6, 0.1, 0.45}) {
    const double h = 1e-4, t = 0.3, viscosity = 0.05;
    const auto at = [=](double dx, double dt) { return burgers_sine(x + dx, t + dt, viscosity); };
    const double u_t = (at(0, h).u - at(0, -h).u) / (2 * h), u_xx = (at(h, 0).u_x - at(-h, 0).u_x) / (2 * h);
    const BurgersPoint p = at(0, 0);
    CHECK(p.u_x == doctest::Approx((at(h, 0).u - at(-h, 0).u) / (2 * h)).epsilon(1e-6));
    CHECK(std::abs(u_t + p.u * p.u_x - viscosity * u_xx) < 1e-5);
  }
  CHECK(burgers_sine(0.3, 0, nu).u == -std::sin(pi * 0.3));
  CHECK(burgers_sine(0.3, 1e-9, nu).u == doctest::Approx(-std::sin(pi * 0.3)).epsilon(1e-7));
  CHECK(std::abs(burgers_sine(0, 0.7, nu).u) < 1e-12);
  check_contains(thrown([] { (void)burgers_sine(0, 1, 0); }), {"burgers_sine", "viscosity 0"});
  check_contains(thrown([] { (void)burgers_sine(0, -1, 1); }), {"-1"});
  CHECK(poisson_residual_floor(1) == doctest::Approx(48.7045455).epsilon(1e-9));
  CHECK(poisson_residual_floor(2) == doctest::Approx(97.4090910).epsilon(1e-9));
  check_contains(thrown([] { (void)poisson_residual_floor(0); }), {"poisson_residual_floor"});
}
