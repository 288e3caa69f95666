#include "gradus/theory/kernels.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <random>

#include "gradus/activations/builtin.hpp"
#include "gradus/activations/gelu.hpp"
#include "gradus/activations/make_function.hpp"
#include "gradus/activations/registry.hpp"
#include "gradus/theory/erf.hpp"
#include "gradus/theory/matrix.hpp"
#include "gradus/theory/moments.hpp"
#include "pairs_reference.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;
using std::numbers::pi;

namespace {

activations::Function function(std::string_view name) {
  return name == "erf" ? activations::make_function(Erf{}) : activations::activation(name);
}

// The same functions as a user writes them: nothing of theirs is known in closed form, so quadrature has to do.
struct PlainReLU {
  template <class V>
  V f(const V& x) const {
    return select(x > V(0), x, V(0));
  }
  template <class V>
  V df(const V& x) const {
    return select(x > V(0), V(1), V(0));
  }
  std::vector<double> kinks() const { return {0}; }
};
struct PlainELU {
  template <class V>
  V f(const V& x) const {
    return select(x > V(0), x, expm1(min(x, V(0))));
  }
  template <class V>
  V df(const V& x) const {
    return select(x > V(0), V(1), exp(min(x, V(0))));
  }
  std::vector<double> kinks() const { return {0}; }
};
struct SmoothGELU : activations::GELU {  // takes the road of the trapezoidal rule
  static constexpr activations::Info info{"smooth_gelu", "x Phi(x)", false, true};
};
struct SmoothErf : Erf {
  static constexpr activations::Info info{"smooth_erf", "erf(x)", true, true};
};

void check_roads(const activations::Function& closed, const activations::Function& other,
                 const std::vector<double>& correlations) {
  for (const double c : correlations)
    for (const double xx : {0.05, 6.0})
      for (int order : {0, 1}) {
        const Covariance covariance{xx, 1.7, c * std::sqrt(xx * 1.7)};
        CAPTURE(closed.name());
        CAPTURE(c);
        CAPTURE(xx);
        CAPTURE(order);
        const double a = pair_expectation(closed, covariance, order), b = pair_expectation(other, covariance, order);
        CHECK(std::abs(a - b) <= 2e-13 * std::max(1.0, std::abs(a)));
      }
}

}  // namespace

TEST_CASE("closed kernels agree with quadrature") {
  check_roads(function("relu"), activations::make_function(PlainReLU{}), {-0.3, 0.999});
  check_roads(function("gelu"), activations::make_function(SmoothGELU{}), {-0.95, -0.3, 0.0, 0.5, 0.9, 0.999});
  check_roads(function("erf"), activations::make_function(SmoothErf{}), {-0.95, -0.3, 0.0, 0.5, 0.9, 0.999});
  check_roads(function("elu"), activations::make_function(PlainELU{}), {0.9});
}

TEST_CASE("a pair that is one variable has the moments of one") {
  for (const char* name :
       {"relu", "leaky_relu(0.3)", "prelu", "identity", "elu", "celu(2)", "selu", "gelu", "gelu_tanh", "silu", "mish",
        "softplus", "tanh", "sigmoid", "softsign", "hard_swish", "softshrink", "erf"})
    for (const double q : {0.1, 3.0}) {
      const activations::Function f = function(name);
      const Moments m = gaussian_moments(f, {.variance = q});
      CAPTURE(std::string(name));
      CHECK(pair_expectation(f, {q, q, q}) == doctest::Approx(m.second).epsilon(1e-13));
      CHECK(pair_expectation(f, {q, q, q}, 1) == doctest::Approx(m.slope_second).epsilon(1e-13));
      CHECK(std::abs(pair_expectation(f, {q, 2, 0}) - m.mean * gaussian_moments(f, {.variance = 2}).mean) < 1e-13);
      CHECK(std::abs(pair_expectation(f, {0, q, 0}) - f(0) * m.mean) < 1e-13);
    }
}

TEST_CASE("pairs by an independent quadrature") {
  for (const PairsReference& r : pairs_references) {
    CAPTURE(std::string(r.name));
    CAPTURE(r.xy);
    CHECK(std::abs(pair_expectation(r.name, {r.xx, r.yy, r.xy}) - r.values) < 2e-14);
    CHECK(std::abs(pair_expectation(r.name, {r.xx, r.yy, r.xy}, 1) - r.slopes) < 2e-14);
    CHECK(std::abs(pair_expectation(r.name, {r.yy, r.xx, r.xy}) - r.values) < 2e-14);
  }
}

TEST_CASE("pairs that are the same up to a factor") {
  // softshrink by 1/2: E f(u) f(2 u) = 2 E (u - 1/2)(2 u - 1/2) for u > 1/2, by its own moments.
  const auto shrink = function("softshrink(0.5)");
  const double expected =
      2 * gaussian_expectation([](double u) { return u > 0.5 ? (u - 0.5) * (2 * u - 0.5) : 0; }, {}, {0.5});
  CHECK(pair_expectation(shrink, {1, 4, 2}) == doctest::Approx(expected).epsilon(1e-13));
  CHECK(pair_expectation(shrink, {1, 4, -2}) == doctest::Approx(-expected).epsilon(1e-13));
  CHECK(pair_expectation("softplus", {0.5, 2, 1}) ==
        doctest::Approx(
            gaussian_expectation([](double u) { return std::log1p(std::exp(u)) * std::log1p(std::exp(2 * u)); },
                                 {.variance = 0.5}))
            .epsilon(1e-13));
}

TEST_CASE("pairs agree with Monte Carlo within four standard errors") {
  std::mt19937_64 bits(5);
  std::normal_distribution<double> normal;
  constexpr int n = 40'000;
  for (const char* name : {"elu", "tanh", "hard_swish", "softsign", "mish", "selu"}) {
    const activations::Function f = function(name);
    const double c = 0.6, q1 = 1.3, q2 = 0.8;
    double sum = 0, squares = 0;
    for (int i = 0; i < n; ++i) {
      const double a = normal(bits), b = normal(bits);
      const double value = f(std::sqrt(q1) * a) * f(std::sqrt(q2) * (c * a + std::sqrt(1 - c * c) * b));
      sum += value, squares += value * value;
    }
    const double mean = sum / n, error = std::sqrt((squares / n - mean * mean) / n);
    CAPTURE(std::string(name));
    CHECK(std::abs(pair_expectation(f, {q1, q2, c * std::sqrt(q1 * q2)}) - mean) < 4 * error);
  }
}

TEST_CASE("unit inputs: the numbers of the claims") {
  const auto kernels = [](const char* name, double c) { return neural_kernels(function(name), {1, 1, c}); };
  CHECK(kernels("relu", 0).nngp == doctest::Approx(1 / (2 * pi)).epsilon(1e-14));
  CHECK(kernels("gelu", 0).nngp == doctest::Approx(1 / (4 * pi)).epsilon(1e-14));
  CHECK(kernels("elu", 0).nngp == doctest::Approx(0.0257669).epsilon(2e-6));
  CHECK(std::abs(kernels("tanh", 0).nngp) < 1e-15);
  CHECK(kernels("relu", 0.5).nngp == doctest::Approx(0.3044989).epsilon(2e-7));
  CHECK(kernels("relu", 0.5).ntk == doctest::Approx(0.4711656).epsilon(2e-7));
  CHECK(kernels("gelu", 0.5).nngp == doctest::Approx(0.2272949).epsilon(2e-7));
  CHECK(kernels("gelu", 0.5).ntk == doctest::Approx(0.3984285).epsilon(2e-7));
  CHECK(kernels("relu", 1).nngp == doctest::Approx(0.5).epsilon(1e-14));
  CHECK(kernels("relu", 1).ntk == doctest::Approx(1).epsilon(1e-14));
  CHECK(kernels("gelu", 1).ntk == doctest::Approx(0.8810723).epsilon(1e-7));
  CHECK(kernels("gelu", 0.5).nngp / kernels("relu", 0.5).nngp == doctest::Approx(0.74645).epsilon(1e-5));
  CHECK(kernels("gelu", 0.5).ntk / kernels("relu", 0.5).ntk == doctest::Approx(0.84562).epsilon(1e-5));
  // Of any norm: the ratio for orthogonal inputs is q / (1 + q).
  for (const double q : {0.1, 1.0, 7.0})
    CHECK(pair_expectation("gelu", {q, q, 0}) / pair_expectation("relu", {q, q, 0}) == doctest::Approx(q / (1 + q)));
  CHECK(kernels("elu", 0.5).nngp == doctest::Approx(0.3247836).epsilon(2e-7));
  CHECK(kernels("elu", 0.5).ntk == doctest::Approx(0.6333758).epsilon(2e-7));
  const NeuralKernels deep = neural_kernels("elu", {1, 1, 0.5}, {.depth = 3});
  CHECK(deep.nngp == doctest::Approx(0.1560137).epsilon(3e-7));
  CHECK(deep.ntk == doctest::Approx(0.5956047).epsilon(2e-7));
  const NeuralKernels none = neural_kernels("elu", {1, 1, 0.5}, {.depth = 0});
  CHECK(none.nngp == 0.5);
  CHECK(none.ntk == 0.5);
  // Different norms and biases: linear layers have linear kernels.
  const NeuralKernels linear =
      neural_kernels("identity", {2, 3, 0.7}, {.depth = 2, .weight_variance = 1.5, .bias_variance = 0.1});
  CHECK(linear.nngp == doctest::Approx(1.5 * (1.5 * 0.7 + 0.1) + 0.1));
  CHECK(linear.ntk == doctest::Approx(linear.nngp + 1.5 * (1.5 * 0.7 + 0.1 + 1.5 * 0.7)));
}

TEST_CASE("spectra on the circle") {
  // cos itself, and Poisson's kernel (1 - r^2) / (1 - 2 r cos + r^2) = 1 + 2 sum of r^m cos m theta.
  const std::vector<double> one = circle_spectrum([](double c) { return c; }, 3);
  CHECK(std::abs(one[0]) < 1e-15);
  CHECK(one[1] == doctest::Approx(0.5).epsilon(1e-14));
  CHECK(std::abs(one[3]) < 1e-15);
  const double r = 0.4;
  const auto poisson = circle_spectrum([r](double c) { return (1 - r * r) / (1 - 2 * r * c + r * r); }, 12);
  for (int m = 0; m <= 12; ++m) CHECK(std::abs(poisson[std::size_t(m)] - std::pow(r, m)) < 1e-14);
  // relu: 2 / (pi^2 (m^2 - 1)^2) for even m, 0 for odd ones above 1; its NTK falls like m^-2.
  const auto nngp = [](const char* name) {
    return circle_spectrum([&](double c) { return neural_kernels(function(name), {1, 1, c}).nngp; }, 40);
  };
  const auto ntk = [](const char* name) {
    return circle_spectrum([&](double c) { return neural_kernels(function(name), {1, 1, c}).ntk; }, 200);
  };
  const auto relu = nngp("relu");
  for (int m = 2; m <= 40; ++m)
    CHECK(std::abs(relu[std::size_t(m)] - (m % 2 == 0 ? 2 / (pi * pi * std::pow(m * m - 1, 2)) : 0)) < 1e-15);
  const auto relu_ntk = ntk("relu");
  CHECK(relu_ntk[100] / relu_ntk[200] == doctest::Approx(4).epsilon(1e-3));
  const auto gelu = nngp("gelu");
  for (int m = 4; m < 16; m += 2)
    CHECK(gelu[std::size_t(m) + 2] / gelu[std::size_t(m)] < 1.3 * std::pow(gelu_spectral_ratio(), 2));
  CHECK(std::sqrt(gelu[18] / gelu[16]) == doctest::Approx(gelu_spectral_ratio()).epsilon(0.2));
  CHECK(gelu_spectral_ratio() == doctest::Approx(2 - std::sqrt(3.0)).epsilon(1e-14));
  CHECK(gelu_spectral_ratio() == doctest::Approx(0.2679).epsilon(2e-4));
}

TEST_CASE("ReLU's kernels have a cusp at equal inputs, GELU's have none") {
  // 1 - c = g small: NTK(1) - NTK(c) = sqrt(2 g) / (2 pi) + O(g); NNGP = 1/2 - g/2 + sqrt(2) g^(3/2) / (3 pi) + ...
  const auto at = [](const char* name, double gap) { return neural_kernels(name, {1, 1, 1 - gap}); };
  for (const double gap : {1e-4, 1e-6, 1e-8})
    CHECK((1 - at("relu", gap).ntk) / std::sqrt(gap) ==
          doctest::Approx(std::sqrt(2.0) / (2 * pi)).epsilon(10 * std::sqrt(gap)));
  const double gap = 1e-3;
  CHECK((at("relu", gap).nngp - 0.5 + gap / 2) / std::pow(gap, 1.5) ==
        doctest::Approx(std::sqrt(2.0) / (3 * pi)).epsilon(0.01));
  // A kernel that is smooth in c has a difference in proportion to g.
  const auto slope = [&](double g) { return (at("gelu", 0).ntk - at("gelu", g).ntk) / g; };
  CHECK(slope(1e-6) == doctest::Approx(slope(1e-5)).epsilon(1e-4));
}

TEST_CASE("kernel regression interpolates, and a ridge shrinks") {
  const auto k = [](double a, double b) { return std::exp(-0.5 * (a - b) * (a - b)); };
  const std::vector<double> x{-1, 0.3, 1.1, 2};
  Matrix train{4, 4, {}}, test{5, 4, {}}, y{4, 1, {}};
  for (const double a : x) {
    y.data.push_back(std::sin(a));
    for (const double b : x) train.data.push_back(k(a, b));
  }
  for (const double a : {-1.0, 0.3, 1.1, 2.0, 0.7})
    for (const double b : x) test.data.push_back(k(a, b));
  const Matrix prediction = kernel_regression(train, test, y);
  for (Index i = 0; i < 4; ++i) CHECK(prediction(i, 0) == doctest::Approx(y(i, 0)).epsilon(1e-12));
  CHECK(prediction(4, 0) == doctest::Approx(std::sin(0.7)).epsilon(0.02));
  CHECK(std::abs(kernel_regression(train, test, y, 1e12)(4, 0)) < 1e-11);
  check_contains(thrown([&] { (void)kernel_regression(train, train, test); }),
                 {"kernel_regression", "(4, 4)", "(5, 4)"});
  check_contains(thrown([&] { (void)kernel_regression(train, test, y, -1); }), {"kernel_regression", "ridge"});
}

// SiLU without a word on its smoothness: nested quadrature.
struct PlainSilu {
  template <class V>
  V f(const V& x) const {
    return activations::SiLU{}.f(x);
  }
  template <class V>
  V df(const V& x) const {
    return activations::SiLU{}.df(x);
  }
};

TEST_CASE("variances so large that smooth activations look like relu") {
  const auto silu = activations::activation("silu"), nested = activations::make_function(PlainSilu{});
  for (const double q : {300.0, 1e4})
    for (const Covariance& c :
         {Covariance{q, q, 0.999 * q}, Covariance{q, q, 0.5 * q}, Covariance{q, 0.5, 0.9 * std::sqrt(q / 2)}})
      for (const int order : {0, 1}) {
        CAPTURE(c.xx);
        CAPTURE(c.xy);
        CAPTURE(order);
        const double expected = pair_expectation(nested, c, order);
        CHECK(std::abs(pair_expectation(silu, c, order) - expected) <= 2e-13 * expected);
      }
}

TEST_CASE("impossible pairs are refused") {
  check_contains(thrown([] { (void)pair_expectation("relu", {1, 1, 1.1}); }), {"pair_expectation", "1.1"});
  check_contains(thrown([] { (void)pair_expectation("relu", {-1, 1, 0}); }), {"pair_expectation", "-1"});
  check_contains(thrown([] { (void)pair_expectation("relu", {1, 1, std::nan("")}); }), {"nan"});
  check_contains(thrown([] { (void)neural_kernels("relu", {1, 1, 0}, {.depth = -1}); }), {"neural_kernels", "depth"});
  check_contains(thrown([] {
                   (void)neural_kernels("relu", {1, 1, 0}, {.weight_variance = -1});
                 }),
                 {"neural_kernels", "-1"});
  check_contains(thrown([] { (void)neural_kernels("relu", {}, {.weight_variance = INFINITY}); }), {"inf"});
  check_contains(thrown([] { (void)pair_expectation("relu", {1, 1, 0.5}, -1); }), {"-1"});
  check_contains(thrown([] { (void)gelu_spectral_ratio(INFINITY); }), {"gelu_spectral_ratio"});
  check_contains(thrown([] { (void)circle_spectrum([](double c) { return c; }, -1); }), {"circle_spectrum"});
  check_contains(thrown([] { (void)gelu_spectral_ratio(0); }), {"gelu_spectral_ratio"});
}
