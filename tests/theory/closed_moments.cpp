#include "gradus/theory/closed_moments.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/activations/make_function.hpp"
#include "gradus/activations/registry.hpp"
#include "gradus/theory/erf.hpp"
#include "gradus/theory/gaussian.hpp"
#include "moments_reference.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;
using std::numbers::pi;

namespace {

activations::Function function(std::string_view name) {
  return name == "erf" ? activations::make_function(Erf{}) : activations::activation(name);
}

// Relative, but a sum that cancels is only as good as the size of what was added up.
bool close(double value, double expected, double size, double tolerance = 1e-13) {
  return std::abs(value - expected) <= tolerance * std::abs(expected) + 1e-15 * size;
}

// 1, and 1.0001 from 3 on; the slope is 0.
struct Jump {
  std::vector<double> kinks() const { return {3}; }
  template <class V>
  V f(const V& x) const {
    return select(x > V(3), V(1.0001), V(1));
  }
  template <class V>
  V df(const V&) const {
    return V(0);
  }
};

}  // namespace

TEST_CASE("quadrature reaches thirteen digits, from narrow to wide") {
  for (const MomentsReference& r : moments_references) {
    CAPTURE(std::string(r.name));
    CAPTURE(r.mean);
    CAPTURE(r.variance);
    const Moments m = gaussian_moments(function(r.name), {.mean = r.mean, .variance = r.variance});
    CAPTURE(m.mean / r.f - 1);
    CAPTURE(m.second / r.f2 - 1);
    CAPTURE(m.variance / r.var - 1);
    CAPTURE(m.slope_mean / r.df - 1);
    CAPTURE(m.slope_second / r.df2 - 1);
    CHECK(close(m.mean, r.f, std::sqrt(r.f2)));
    CHECK(close(m.second, r.f2, 0));
    CHECK(close(m.variance, r.var, 0));
    CHECK(close(m.slope_mean, r.df, std::sqrt(r.df2)));
    CHECK(close(m.slope_second, r.df2, 0));
  }
}

TEST_CASE("closed forms reach thirteen digits, and every activation that has one is known") {
  int closed = 0;
  for (const MomentsReference& r : moments_references) {
    CAPTURE(std::string(r.name));
    CAPTURE(r.mean);
    CAPTURE(r.variance);
    const auto m = closed_gaussian_moments(function(r.name), {.mean = r.mean, .variance = r.variance});
    if (!m) continue;
    ++closed;
    CAPTURE(m->mean / r.f - 1);
    CAPTURE(m->second / r.f2 - 1);
    CAPTURE(m->slope_mean / r.df - 1);
    CAPTURE(m->slope_second / r.df2 - 1);
    CHECK(close(m->mean, r.f, std::sqrt(r.f2)));
    CHECK(close(m->second, r.f2, 0));
    CHECK(close(m->variance, r.var, 4 * r.f2));
    CHECK(close(m->slope_mean, r.df, std::sqrt(r.df2)));
    CHECK(close(m->slope_second, r.df2, 0));
  }
  CHECK(closed == 99);
  for (const char* none : {"silu", "mish", "softplus", "tanh", "sigmoid", "softsign", "gelu_tanh"})
    CHECK(!closed_gaussian_moments(none));
}

TEST_CASE("closed forms and quadrature agree wherever one looks") {
  for (const char* name : {"identity", "relu", "leaky_relu(0.1)", "prelu(-0.3)", "elu", "elu(0.2)", "elu(3)", "celu(3)",
                           "celu(0.1)", "selu", "gelu", "hard_swish", "softshrink(2)", "softshrink(0)", "erf"})
    for (const double mean : {-20.0, -1.3, -0.01, 0.0, 0.2, 1.0, 7.0})
      for (const double variance : {1e-6, 3e-4, 0.07, 0.3, 1.0, 12.0, 1e3, 1e4}) {
        const auto f = function(name);
        const GaussianOptions options{.mean = mean, .variance = variance};
        const Moments m = gaussian_moments(f, options);
        const Moments c = closed_gaussian_moments(f, options).value();
        CAPTURE(std::string(name));
        CAPTURE(mean);
        CAPTURE(variance);
        CAPTURE(c.mean / m.mean - 1);
        CAPTURE(c.second / m.second - 1);
        CAPTURE(c.slope_mean / m.slope_mean - 1);
        CAPTURE(c.slope_second / m.slope_second - 1);
        // Below 1e-280 the quadrature sees nothing; and gelu's and erf's forms cancel in their tails.
        const double size = std::string_view(name) == "gelu"  ? mean * mean + variance
                            : std::string_view(name) == "erf" ? 1
                                                              : 0;
        CHECK(close(c.mean, m.mean, std::sqrt(m.second) + size, 2e-13));
        CHECK(std::abs(c.second - m.second) <= 2e-13 * m.second + 1e-15 * size + 1e-280);
        CHECK(close(c.slope_mean, m.slope_mean, std::sqrt(m.slope_second) + (size > 0), 2e-13));
        CHECK(std::abs(c.slope_second - m.slope_second) <= 2e-13 * m.slope_second + 1e-15 * (size > 0) + 1e-280);
      }
}

TEST_CASE("the claims' numbers at N(0, q)") {
  CHECK(gaussian_moments("relu").mean == doctest::Approx(1 / std::sqrt(2 * pi)).epsilon(1e-14));
  CHECK(gaussian_moments("relu").variance == doctest::Approx(0.5 - 1 / (2 * pi)).epsilon(1e-14));
  CHECK(gaussian_moments("gelu").second == doctest::Approx(0.4252214825702987).epsilon(1e-14));
  CHECK(gaussian_moments("gelu").variance == doctest::Approx(0.345644011024351).epsilon(1e-14));
  CHECK(gaussian_moments("gelu").variance / gaussian_moments("relu").variance ==
        doctest::Approx(1.01408).epsilon(5e-6));
  const auto second_ratio = [](double q) {
    return gaussian_moments("gelu", {.variance = q}).second / gaussian_moments("relu", {.variance = q}).second;
  };
  const auto variance_ratio = [](double q) {
    return gaussian_moments("gelu", {.variance = q}).variance / gaussian_moments("relu", {.variance = q}).variance;
  };
  CHECK(second_ratio(1e-3) == doctest::Approx(0.500953).epsilon(1e-6));
  CHECK(second_ratio(0.01) == doctest::Approx(0.509393).epsilon(1e-6));
  CHECK(second_ratio(0.1) == doctest::Approx(0.581809).epsilon(1e-6));
  CHECK(second_ratio(1) == doctest::Approx(0.850443).epsilon(1e-6));
  CHECK(variance_ratio(1e-9) == doctest::Approx(pi / (2 * (pi - 1))).epsilon(1e-7));
  CHECK(variance_ratio(0.01) == doctest::Approx(0.742626).epsilon(1e-6));
  CHECK(variance_ratio(1) == doctest::Approx(1.01408).epsilon(5e-6));
  CHECK(1 - 0.25 / gaussian_moments("gelu").second == doctest::Approx(0.41).epsilon(0.01));
  CHECK(gaussian_moments("silu").mean == doctest::Approx(0.2066212).epsilon(2e-7));
  const auto slope_second = [](const char* name) { return gaussian_moments(name).slope_second; };
  CHECK(slope_second("relu") == doctest::Approx(0.5).epsilon(1e-14));
  CHECK(slope_second("gelu") == doctest::Approx(0.4558508656492871).epsilon(1e-14));
  CHECK(slope_second("gelu_tanh") == doctest::Approx(0.4558178).epsilon(1e-7));
  CHECK(slope_second("elu") == doctest::Approx(0.6681020).epsilon(1e-7));
  CHECK(slope_second("selu") == doctest::Approx(1.0715750).epsilon(1e-7));
  CHECK(slope_second("silu") == doctest::Approx(0.3794824).epsilon(1e-7));
  CHECK(slope_second("mish") == doctest::Approx(0.4790838).epsilon(1e-7));
  CHECK(slope_second("tanh") == doctest::Approx(0.4644029).epsilon(1e-7));
  CHECK(slope_second("softplus") == doctest::Approx(0.2933790).epsilon(1e-7));
  CHECK(gaussian_moments("elu").slope_mean == doctest::Approx(0.7615782918651234).epsilon(1e-14));
  CHECK(gaussian_moments("tanh").slope_mean == doctest::Approx(0.6057055).epsilon(1e-7));
  CHECK(gaussian_moments("selu").slope_mean == doctest::Approx(0.9852312).epsilon(1e-7));
  CHECK(std::abs(gaussian_moments("elu(1.6732632423543772848)").mean) < 1e-15);
  // The skewness of GELU(Z): it is not symmetric, whatever a layer norm makes of it.
  const Moments g = gaussian_moments("gelu");
  const auto gelu = activations::activation("gelu");
  const double third = gaussian_expectation([&](double x) { return std::pow(gelu(x) - g.mean, 3); });
  CHECK(third / std::pow(g.variance, 1.5) == doctest::Approx(1.77229).epsilon(3e-6));
}

// References by thirty-digit quadrature, as in moments_reference.hpp.
TEST_CASE("in the tail, where everything cancels") {
  struct Tail {
    double mean, variance, second, slope_second;
  };
  for (const Tail& t : {Tail{-5, 1e-6, 2.05432818219785135e-12, 5.10811221438800911e-11},
                        Tail{-20, 1, 1.09246161224190811e-59, 4.88885887363489791e-58},
                        Tail{-20, 7, 5.73608850958772765e-14, 1.46466753397260877e-13}}) {
    CAPTURE(t.mean);
    CAPTURE(t.variance);
    const GaussianOptions gaussian{.mean = t.mean, .variance = t.variance};
    for (const Moments& m : {*closed_gaussian_moments("gelu", gaussian), gaussian_moments("gelu", gaussian)}) {
      CHECK(close(m.second, t.second, 0));
      CHECK(close(m.slope_second, t.slope_second, 0));
    }
  }
  const GaussianOptions narrow{.variance = 1e-6};
  for (const Moments& m : {*closed_gaussian_moments("elu", narrow), gaussian_moments("elu", narrow)})
    CHECK(close(m.mean, 2.49867081713280439e-7, 0));
}

TEST_CASE("the variance of a function that is nearly constant, or far from 0") {
  const auto variance = [](const activations::Function& f, double mean, double q) {
    return gaussian_moments(f, {.mean = mean, .variance = q}).variance;
  };
  CHECK(close(variance(function("tanh"), -5, 1e-6), 3.29726675475274076e-14, 0));
  CHECK(close(variance(function("tanh"), 10, 1), 4.97242706651917425e-14, 0));
  CHECK(close(variance(function("sigmoid"), -3, 1e-6), 2.04093290821986042e-9, 0));
  CHECK(close(variance(function("softplus(0.1)"), 0, 1e-6), 2.50000000312499987e-7, 0));
  CHECK(close(variance(function("softsign"), 100, 1e-6), 9.60980345236452428e-15, 0));
  // Left of 0 elu + 1 is e^X: Var = e^(2 mean + q) (e^q - 1).
  for (const double q : {1e-6, 0.01, 1.0}) {
    CAPTURE(q);
    CHECK(close(variance(function("elu"), -20, q), std::exp(-40 + q) * std::expm1(q), 0));
  }
  // A jump is none of the slope's business: this step is all there is to see, and softplus jumps by 2e-9 at its
  // threshold.
  CHECK(variance(activations::make_function(Jump{}), 3, 1e-8) == doctest::Approx(0.25e-8).epsilon(1e-6));
}

TEST_CASE("impossible Gaussians are refused by the closed forms as well") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  check_contains(thrown([] { (void)closed_gaussian_moments("relu", {.variance = 0}); }),
                 {"closed_gaussian_moments", "0"});
  check_contains(thrown([nan] { (void)closed_gaussian_moments("gelu", {.mean = nan}); }), {"nan"});
  check_contains(thrown([] { (void)closed_gaussian_moments("silu", {.variance = -1}); }), {"positive"});
  check_contains(thrown([] { (void)gaussian_expectation([](double x) { return x; }, {.variance = -1}); }),
                 {"gaussian_expectation"});
}
