#include "gradus/theory/selu.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/activations/registry.hpp"
#include "gradus/theory/elu_alpha.hpp"
#include "gradus/theory/mean_field.hpp"
#include "gradus/theory/moments.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;

namespace {

const activations::Function selu = activations::activation("selu");

}  // namespace

TEST_CASE("SELU's constants to the last place of long double") {
  const SeluConstants c = selu_constants();
  CHECK(double(std::abs(c.alpha - 1.6732632423543772848170429916717L)) <= 4e-19);
  CHECK(double(std::abs(c.scale - 1.0507009873554804934193349852946L)) <= 4e-19);
  CHECK(double(std::abs(c.alpha * c.scale - 1.7580993408473768599402175208123L)) <= 6e-19);
}

TEST_CASE("the map of mean and variance draws towards (0, 1)") {
  const MomentJacobian j = moment_map_jacobian(selu, {});
  CHECK(j.mean_by_mean == 0);
  CHECK(j.variance_by_mean == 0);
  CHECK(j.mean_by_variance == doctest::Approx(0.0888348).epsilon(1e-6));
  CHECK(j.variance_by_variance == doctest::Approx(0.7826479).epsilon(1e-7));
  CHECK(j.spectral_norm() == doctest::Approx(0.7876734).epsilon(1e-7));
  // The range for which contraction is proved.
  for (const double mean : {-0.1, 0.0, 0.1})
    for (const double variance : {0.8, 1.0, 1.5})
      for (const double sum : {-0.1, 0.0, 0.1})
        for (const double squares : {0.95, 1.0, 1.1})
          CHECK(moment_map_jacobian(selu, {mean, variance}, {sum, squares}).spectral_norm() < 1);
  // From a variance of 0.1 it comes back, and does not overshoot.
  MomentState state{0, 0.1};
  for (int layer = 0; layer < 200; ++layer) {
    const MomentState next = moment_map(selu, state);
    CHECK(next.variance > state.variance - 1e-13);
    CHECK(next.variance < 1 + 1e-12);
    state = next;
  }
  CHECK(state.variance == doctest::Approx(1).epsilon(1e-12));
  CHECK(std::abs(state.mean) < 1e-12);
}

TEST_CASE("the Jacobian is that of the map, for any activation and state") {
  for (const char* name : {"selu", "gelu", "tanh", "hard_swish"}) {
    const auto f = activations::activation(name);
    const MomentState at{0.3, 0.7};
    const WeightSums weights{0.8, 1.2};
    const MomentJacobian j = moment_map_jacobian(f, at, weights);
    const double h = 1e-4;
    const MomentState up = moment_map(f, {0.3 + h, 0.7}, weights), down = moment_map(f, {0.3 - h, 0.7}, weights);
    const MomentState wide = moment_map(f, {0.3, 0.7 + h}, weights), narrow = moment_map(f, {0.3, 0.7 - h}, weights);
    CAPTURE(std::string(name));
    CHECK(j.mean_by_mean == doctest::Approx((up.mean - down.mean) / (2 * h)).epsilon(1e-7));
    CHECK(j.variance_by_mean == doctest::Approx((up.variance - down.variance) / (2 * h)).epsilon(1e-6));
    CHECK(j.mean_by_variance == doctest::Approx((wide.mean - narrow.mean) / (2 * h)).epsilon(1e-6));
    CHECK(j.variance_by_variance == doctest::Approx((wide.variance - narrow.variance) / (2 * h)).epsilon(1e-6));
  }
  CHECK(MomentJacobian{3, 0, 0, -4}.spectral_norm() == doctest::Approx(4));
  CHECK(MomentJacobian{1, 1, 1, 1}.spectral_norm() == doctest::Approx(2));
  check_contains(thrown([] { (void)moment_map(selu, {0, 0}); }), {"moment_map", "variance 0"});
  check_contains(thrown([] { (void)moment_map_jacobian(selu, {}, {0, -1}); }), {"moment_map_jacobian", "-1"});
}

TEST_CASE("AlphaDropout's affine map") {
  const auto is = [](double p, double a, double b) {
    const AlphaDropoutAffine affine = alpha_dropout_affine(p);
    CHECK(affine.scale == doctest::Approx(a).epsilon(1e-9));
    CHECK(affine.shift == doctest::Approx(b).epsilon(1e-9));
  };
  is(0.05, .9548444760, .0839355722);
  is(0.1, .9212845161, .1619709701);
  is(0.2, .8789035834, .3090399621);
  CHECK(alpha_dropout_affine(0).scale == 1);
  CHECK(alpha_dropout_affine(0).shift == 0);
  check_contains(thrown([] { (void)alpha_dropout_affine(1); }), {"alpha_dropout_affine", "1"});
}

TEST_CASE("alpha by conditions: the numbers of the claims, and extremes") {
  using enum EluCondition;
  const auto is = [](EluCondition condition, double mean, double expected) {
    CHECK(adaptive_elu_alpha(condition, mean, 1) == doctest::Approx(expected).epsilon(1e-7));
  };
  is(unit_slope, 0, 1.9114736);
  is(unit_squared_slope, 0, 1.7246404);
  is(unit_slope, -1, 2.7742860);
  is(unit_squared_slope, -1, 2.3028188);
  is(zero_mean, -1, .1548386);
  CHECK(std::abs(adaptive_elu_alpha(zero_mean, 0, 1) - double(selu_constants().alpha)) < 1e-15);
  // 1 - sqrt(2 / pi) s (1 - pi / 4) ... tends to 1; where X is small, e^X - 1 is X.
  for (const double s : {1e-3, 1e-5, 1e-8, 1e-120}) {
    CAPTURE(s);
    CHECK(std::abs(adaptive_elu_alpha(zero_mean, 0, s * s) - 1) < s);
    CHECK(std::abs(adaptive_elu_alpha(unit_slope, 0, s * s) - 1) < s);
  }
  // The two roads for E[1 - e^X; X < 0] meet.
  const double near = adaptive_elu_alpha(zero_mean, 2e-5, 0.79e-4 * 0.79e-4),
               beside = adaptive_elu_alpha(zero_mean, 2e-5, 0.81e-4 * 0.81e-4);
  CHECK(near > beside);
  CHECK(near == doctest::Approx(beside).epsilon(0.03));
  CHECK(std::isinf(adaptive_elu_alpha(zero_mean, 60, 1)));
  CHECK(adaptive_elu_alpha(zero_mean, -60, 1) < 1e-300);
}
