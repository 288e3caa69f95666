#include "gradus/theory/certificate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "gradus/activations/registry.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;

namespace {

PlainNetwork random_network(const std::vector<Index>& widths, const char* f, unsigned seed, double gain = 1) {
  std::mt19937_64 bits(seed);
  std::normal_distribution<double> normal;
  PlainNetwork network{{}, activations::activation(f)};
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    AffineLayer layer{{widths[l + 1], widths[l], {}}, {}};
    for (Index i = 0; i < widths[l] * widths[l + 1]; ++i)
      layer.weight.data.push_back(gain * normal(bits) / std::sqrt(double(widths[l])));
    for (Index i = 0; i < widths[l + 1]; ++i) layer.bias.push_back(0.3 * normal(bits));
    network.layers.push_back(layer);
  }
  return network;
}

Index decision(const PlainNetwork& network, const std::vector<double>& x) {
  const std::vector<double> y = evaluate(network, x);
  return std::max_element(y.begin(), y.end()) - y.begin();
}

// The nearest change of decision that descent with many starts finds: numerical gradients of the margin, steps onto the
// sphere.
bool attack(const PlainNetwork& network, const std::vector<double>& x, Index label, double radius, unsigned seed) {
  std::mt19937_64 bits(seed);
  std::normal_distribution<double> normal;
  const auto margin = [&](const std::vector<double>& at) {
    const std::vector<double> y = evaluate(network, at);
    double other = -1e300;
    for (std::size_t k = 0; k < y.size(); ++k)
      if (Index(k) != label) other = std::max(other, y[k]);
    return y[std::size_t(label)] - other;
  };
  for (int start = 0; start < 8; ++start) {
    std::vector<double> d(x.size());
    for (double& v : d) v = normal(bits);
    for (int step = 0; step < 60; ++step) {
      double length = 0;
      for (const double v : d) length += v * v;
      for (double& v : d) v *= radius / std::sqrt(length);
      std::vector<double> at = x, slope(x.size());
      for (std::size_t j = 0; j < x.size(); ++j) at[j] += d[j];
      if (margin(at) < 0) return true;
      for (std::size_t j = 0; j < x.size(); ++j) {
        std::vector<double> moved = at;
        moved[j] += 1e-6;
        slope[j] = (margin(moved) - margin(at)) / 1e-6;
      }
      for (std::size_t j = 0; j < x.size(); ++j) d[j] -= 0.5 * radius * slope[j];
    }
  }
  return false;
}

}  // namespace

TEST_CASE("singular values and spectral norms") {
  const Matrix m{2, 3, {3, 2, 2, 2, 3, -2}};  // singular values 5 and 3
  const std::vector<double> values = singular_values(m);
  REQUIRE(values.size() == 2);
  CHECK(values[0] == doctest::Approx(5).epsilon(1e-15));
  CHECK(values[1] == doctest::Approx(3).epsilon(1e-15));
  CHECK(spectral_norm(m) == doctest::Approx(5).epsilon(1e-12));
  const Matrix tall{3, 1, {2, -3, 6}};
  CHECK(singular_values(tall)[0] == doctest::Approx(7).epsilon(1e-15));
  CHECK(spectral_norm(tall) == doctest::Approx(7).epsilon(1e-15));
  CHECK(singular_values({2, 2, {0, 0, 0, 0}}) == std::vector<double>{0, 0});
  CHECK(spectral_norm({2, 2, {0, 0, 0, 0}}) == 0);
  CHECK(singular_values({0, 3, {}}).empty());
  CHECK(spectral_norm({0, 3, {}}) == 0);
  CHECK(singular_values({2, 2, {1e200, 0, 0, 1e-200}})[0] == doctest::Approx(1e200));
  // A random one: squares of all entries, and the determinant of the Gram matrix.
  std::mt19937_64 bits(1);
  std::normal_distribution<double> normal;
  Matrix random{23, 17, {}};
  for (Index i = 0; i < 23 * 17; ++i) random.data.push_back(normal(bits));
  const std::vector<double> s = singular_values(random);
  double squares = 0, entries = 0;
  for (const double v : s) squares += v * v;
  for (const double v : random.data) entries += v * v;
  CHECK(squares == doctest::Approx(entries).epsilon(1e-13));
  CHECK(spectral_norm(random) == doctest::Approx(s[0]).epsilon(1e-10));
  CHECK(spectral_norm(random) <= s[0] * (1 + 1e-14));
  check_contains(thrown([] { (void)spectral_norm({2, 2, {1, 2, 3}}); }), {"spectral_norm", "3"});
  check_contains(thrown([] {
                   (void)singular_values({1, 2, {1, std::nan("")}});
                 }),
                 {"singular_values", "(0, 1)", "nan"});
  check_contains(thrown([] {
                   (void)spectral_norm({1, 1, {1}}, {.max_iterations = 0});
                 }),
                 {"spectral_norm", "iterations"});
}

TEST_CASE("Cholesky solves") {
  const Matrix a{3, 3, {4, 2, -2, 2, 10, 4, -2, 4, 9}}, x{3, 2, {1, 2, -3, 0.5, 2, 7}};
  Matrix b{3, 2, std::vector<double>(6)};
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 3; ++j)
      for (Index k = 0; k < 2; ++k) b(i, k) += a(i, j) * x(j, k);
  const Matrix solved = cholesky_solve(a, b);
  for (std::size_t i = 0; i < 6; ++i) CHECK(solved.data[i] == doctest::Approx(x.data[i]).epsilon(1e-14));
  check_contains(thrown([] {
                   (void)cholesky_solve({2, 2, {1, 2, 2, 1}}, {2, 1, {1, 1}});
                 }),
                 {"not positive definite", "pivot 1", "-3"});
  check_contains(thrown([] { (void)cholesky_solve({2, 2, {1, 0, 0, 1}}, {3, 1, {1, 1, 1}}); }), {"(2, 2)", "(3, 1)"});
  CHECK(cholesky_solve({0, 0, {}}, {0, 2, {}}).data.empty());
}

TEST_CASE("a linear network's certificate is its distance to the boundary") {
  const PlainNetwork network{{{{2, 2, {3, 0, 0, 4}}, {1, 0}}}, activations::activation("relu")};
  // logit 0 - logit 1 = 3 x + 1 - 4 y, at (2, 1) it is 3: 3 / 5 away.
  const Certificate c = certify(network, {2, 1}, 0);
  CHECK(c.margin == 3);
  CHECK(c.lipschitz == doctest::Approx(5));
  CHECK(c.radius == doctest::Approx(0.6));
  CHECK(certify_local(network, {2, 1}, 0).radius == doctest::Approx(0.6));
  CHECK(certify(network, {2, 1}, 1).radius == 0);
  CHECK(certify(network, {2, 1}, 1).margin == -3);
}

TEST_CASE("no attack succeeds within a certified radius, and one does further off") {
  int broken = 0;
  for (const char* f : {"gelu", "relu", "tanh", "elu"})
    for (unsigned seed = 1; seed <= 4; ++seed) {
      const PlainNetwork network = random_network({5, 7, 3}, f, seed, 1.5);
      std::mt19937_64 bits(seed);
      std::normal_distribution<double> normal;
      std::vector<double> x(5);
      for (double& v : x) v = normal(bits);
      const Index label = decision(network, x);
      const Certificate global = certify(network, x, label), local = certify_local(network, x, label);
      CAPTURE(std::string(f));
      CAPTURE(seed);
      CHECK(global.radius > 0);
      CHECK(local.radius >= global.radius);
      CHECK(!attack(network, x, label, local.radius, seed));
      broken += attack(network, x, label, 6 * local.radius, seed);
    }
  CHECK(broken >= 8);
}

TEST_CASE("three layers, and one output whose sign decides") {
  const PlainNetwork deep = random_network({4, 6, 6, 3}, "gelu", 11, 1.4);
  const std::vector<double> x{0.4, -0.2, 1, 0.1};
  const Index label = decision(deep, x);
  const Certificate global = certify(deep, x, label), local = certify_local(deep, x, label);
  CHECK(local.radius >= global.radius);
  CHECK(!attack(deep, x, label, local.radius, 3));
  const PlainNetwork sign = random_network({4, 6, 1}, "gelu", 12);
  const double value = evaluate(sign, x)[0];
  CHECK(certify(sign, x, value > 0).margin == doctest::Approx(std::abs(value)));
  CHECK(certify(sign, x, value <= 0).radius == 0);
}

TEST_CASE("the vertex bound is the largest gradient, and is never above the product") {
  const PlainNetwork network = logit_difference(random_network({3, 5, 2}, "gelu", 4), 0, 1);
  const SlopeRange gelu = slope_range(network.f);
  const double vertex =
      slope_interval_bound(network, std::vector<Interval>(5, {gelu.lowest.value, gelu.highest.value}));
  CHECK(vertex <= product_bound(network));
  std::mt19937_64 bits(2);
  std::uniform_real_distribution<double> slope(gelu.lowest.value, gelu.highest.value);
  const Matrix &w1 = network.layers[0].weight, &w2 = network.layers[1].weight;
  for (int trial = 0; trial < 1000; ++trial) {
    double d[5], squares = 0;
    for (double& v : d) v = slope(bits);
    for (Index j = 0; j < 3; ++j) {
      double sum = 0;
      for (Index i = 0; i < 5; ++i) sum += w1(i, j) * d[i] * w2(0, i);
      squares += sum * sum;
    }
    CHECK(std::sqrt(squares) <= vertex * (1 + 1e-14));
  }
  // With one slope there is one gradient.
  const double exact = slope_interval_bound(network, std::vector<Interval>(5, {1, 1}));
  CHECK(exact < vertex);
  // Many units: the bound by centre and radius is above what the vertices of a part give.
  const PlainNetwork wide = logit_difference(random_network({3, 20, 2}, "gelu", 4), 0, 1);
  CHECK(slope_interval_bound(wide, std::vector<Interval>(20, {0.5, 0.5})) ==
        doctest::Approx(0.5 * slope_interval_bound(wide, std::vector<Interval>(20, {1, 1}))));
  CHECK(slope_interval_bound(wide, std::vector<Interval>(20, {0, 1})) >
        slope_interval_bound(wide, std::vector<Interval>(20, {1, 1})));
}

TEST_CASE("networks that do not fit are refused") {
  const PlainNetwork network = random_network({3, 4, 2}, "relu", 1);
  check_contains(thrown([&] { (void)certify(network, {1, 2}, 0); }), {"certify", "2", "3"});
  check_contains(thrown([&] { (void)certify(network, {1, 2, std::nan("")}, 0); }), {"nan"});
  check_contains(thrown([&] { (void)certify_local(network, {1, 2, 3}, 2); }), {"certify_local", "label 2"});
  check_contains(thrown([&] { (void)logit_difference(network, 1, 1); }), {"logit_difference"});
  check_contains(thrown([&] { (void)slope_interval_bound(network, {}); }), {"slope_interval_bound", "2"});
  PlainNetwork broken = network;
  broken.layers[1].weight = {2, 3, std::vector<double>(6)};
  check_contains(thrown([&] { (void)product_bound(broken); }), {"product_bound", "layer 1", "3", "4"});
  broken = network;
  broken.layers[0].bias.pop_back();
  check_contains(thrown([&] { (void)evaluate(broken, {1, 2, 3}); }), {"evaluate", "biases"});
  check_contains(thrown([&] { (void)product_bound({{}, network.f}); }), {"without layers"});
}
