#include "gradus/theory/privacy.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "gradus/theory/quadrature.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;

namespace {

constexpr double rate = 256.0 / 60000;

// The definition, straight: integral of N(z; 0, s^2) ((1 - q) + q e^((2z - 1) / (2 s^2)))^order.
double by_definition(double q, double s, double order) {
  std::vector<double> cuts;
  for (double z = -30 * s; z < order + 30 * s; z += s / 2) cuts.push_back(z);
  const double a = integrate(
      [=](double z) {
        const double ratio = std::log(1 - q + q * std::exp((2 * z - 1) / (2 * s * s)));
        return std::exp(order * ratio - z * z / (2 * s * s)) / (s * std::sqrt(2 * std::acos(-1.0)));
      },
      cuts);
  return std::log(a) / (order - 1);
}

}  // namespace

TEST_CASE("DP-SGD on sixty thousand samples: the numbers of the claims") {
  const PrivacyLoss classic = privacy_spent({rate, 1.1, 14063, 1e-5, Conversion::classic});
  CHECK(classic.epsilon == doctest::Approx(3.0092112).epsilon(2e-8));
  CHECK(classic.order == 9);
  const PrivacyLoss improved = privacy_spent({rate, 1.1, 14063, 1e-5});
  CHECK(improved.epsilon == doctest::Approx(2.5970795).epsilon(2e-8));
  CHECK(improved.order == 8);
  const auto epochs = [](double noise, double count, Conversion conversion) {
    return privacy_spent({rate, noise, Index(std::ceil(count * 60000 / 256)), 1e-5, conversion}).epsilon;
  };
  CHECK(epochs(1.3, 15, Conversion::classic) == doctest::Approx(1.1922644).epsilon(5e-8));
  CHECK(epochs(1.3, 15, Conversion::improved) == doctest::Approx(0.9545640).epsilon(1e-7));
  CHECK(epochs(0.7, 45, Conversion::classic) == doctest::Approx(7.1229332).epsilon(1e-8));
  CHECK(epochs(0.7, 45, Conversion::improved) == doctest::Approx(6.3731530).epsilon(1e-8));
  // More orders can only help, and do not by much.
  PrivacyAccountant fine(fine_orders());
  fine.compose({rate, 1.1}, 14063);
  CHECK(fine.spent(1e-5).epsilon < improved.epsilon);
  CHECK(fine.spent(1e-5).epsilon > 0.995 * improved.epsilon);
}

TEST_CASE("whole and broken orders follow the definition") {
  for (const double q : {0.001, 0.0427, 0.5, 0.97})
    for (const double s : {0.6, 1.0, 4.0})
      for (const double order : {1.3, 2.0, 2.5, 7.0, 11.7, 20.0}) {
        CAPTURE(q);
        CAPTURE(s);
        CAPTURE(order);
        const double r = renyi_divergence({q, s}, order);
        // log A of the definition has rounding of 1e-15 where A is near 1.
        CHECK(std::abs(r - by_definition(q, s, order)) <= 1e-12 * r + 1e-14 / (order - 1));
      }
  // The two roads meet at whole orders, also where the divergence is tiny or huge.
  for (const SubsampledGaussian step : {SubsampledGaussian{1e-6, 10}, {0.01, 1}, {0.3, 0.2}, {0.004, 0.1}})
    for (const double order : {2.0, 5.0, 40.0}) {
      CAPTURE(step.sampling_rate);
      CAPTURE(order);
      const double beside = renyi_divergence(step, order * (1 + 1e-13));
      CHECK(beside == doctest::Approx(renyi_divergence(step, order)).epsilon(1e-10));
    }
  CHECK(renyi_divergence({1, 2}, 3) == 3.0 / 8);
  CHECK(renyi_divergence({1 - 1e-12, 2}, 3) == doctest::Approx(3.0 / 8).epsilon(1e-9));
  CHECK(renyi_divergence({0, 2}, 3) == 0);
  CHECK(std::isinf(renyi_divergence({0.1, 0}, 3)));
  // To second order in q: order q^2 (e^(1 / s^2) - 1) / 2.
  CHECK(renyi_divergence({1e-7, 1.5}, 3.5) == doctest::Approx(3.5 * 1e-14 * std::expm1(1 / 2.25) / 2).epsilon(1e-5));
}

TEST_CASE("divergences rise with the order, whole or broken, where powers overflow") {
  for (const double q : {1e-6, 1e-4, 0.01, 0.3})
    for (const double s : {0.15, 0.5, 1.0, 5.0}) {
      CAPTURE(q);
      CAPTURE(s);
      double before = 0;
      for (double order = 1.05; order < 80; order *= 1.07) {
        CAPTURE(order);
        const double now = renyi_divergence({q, s}, order);
        CHECK(now >= before);
        before = now;
      }
      for (const double order : {3.0, 8.0, 23.0})  // a whole order by its sum, its neighbour by the integral
        CHECK(renyi_divergence({q, s}, order * (1 + 1e-12)) ==
              doctest::Approx(renyi_divergence({q, s}, order)).epsilon(1e-9));
    }
}

TEST_CASE("losses grow with the steps and the rate, and fall with the noise") {
  double before = 0;
  for (const Index steps : {0, 1, 10, 1000, 100000}) {
    const double epsilon = privacy_spent({rate, 1.1, steps, 1e-5}).epsilon;
    CHECK(epsilon >= before);
    before = epsilon;
  }
  CHECK(privacy_spent({rate, 1.1, 0, 1e-5}).epsilon == 0);
  CHECK(privacy_spent({rate, 1.2, 1000, 1e-5}).epsilon < privacy_spent({rate, 1.1, 1000, 1e-5}).epsilon);
  CHECK(privacy_spent({rate, 1.1, 1000, 1e-6}).epsilon > privacy_spent({rate, 1.1, 1000, 1e-5}).epsilon);
  CHECK(privacy_spent({2 * rate, 1.1, 1000, 1e-5}).epsilon > privacy_spent({rate, 1.1, 1000, 1e-5}).epsilon);
  CHECK(std::isinf(privacy_spent({rate, 0, 1, 1e-5}).epsilon));
  // Steps of two kinds add up.
  PrivacyAccountant parts, whole;
  parts.compose({rate, 1.1}, 300);
  parts.compose({rate, 1.1}, 700);
  whole.compose({rate, 1.1}, 1000);
  CHECK(parts.spent(1e-5).epsilon == doctest::Approx(whole.spent(1e-5).epsilon).epsilon(1e-14));
  parts.compose({2 * rate, 0.9}, 10);
  CHECK(parts.spent(1e-5).epsilon > whole.spent(1e-5).epsilon);
}

TEST_CASE("the noise for a target") {
  for (const double epsilon : {0.5, 2.5970795, 8.0}) {
    const double noise = noise_multiplier_for({epsilon, 1e-5, rate, 14063});
    CAPTURE(noise);
    CHECK(privacy_spent({rate, noise, 14063, 1e-5}).epsilon <= epsilon);
    CHECK(privacy_spent({rate, noise * (1 - 1e-7), 14063, 1e-5}).epsilon > epsilon);
  }
  CHECK(noise_multiplier_for({2.5970795, 1e-5, rate, 14063}) == doctest::Approx(1.1).epsilon(1e-7));
  CHECK(noise_multiplier_for({3.0092112, 1e-5, rate, 14063, Conversion::classic}) ==
        doctest::Approx(1.1).epsilon(1e-7));
  check_contains(thrown([] {
                   (void)noise_multiplier_for({1e-9, 1e-5, 1, 1'000'000});
                 }),
                 {"noise_multiplier_for", "1e-09"});
}

TEST_CASE("the tight loss, by Fourier transform") {
  // Without sampling the composition is known: k steps are one of noise s / sqrt k.
  for (const double noise : {2.0, 10.0})
    for (const Index steps : {1, 25}) {
      const double exact = gaussian_mechanism_epsilon(noise / std::sqrt(double(steps)), 1e-5);
      CAPTURE(noise);
      CAPTURE(steps);
      CHECK(tight_epsilon({1, noise, steps, 1e-5}) == doctest::Approx(exact).epsilon(1e-5));
      CHECK(privacy_spent({1, noise, steps, 1e-5}).epsilon > exact);
    }
  CHECK(gaussian_mechanism_epsilon(1, 0.126936737507) == doctest::Approx(1).epsilon(1e-10));
  CHECK(gaussian_mechanism_epsilon(100, 0.5) == 0);
  const PrivacyRun run{rate, 1.1, 14063, 1e-5};
  const double tight = tight_epsilon(run);
  CHECK(tight == doctest::Approx(2.38).epsilon(0.003));
  CHECK(tight < privacy_spent(run).epsilon);
  CHECK(tight_epsilon(run, 1 << 16) == doctest::Approx(tight).epsilon(1e-3));
  CHECK(tight_epsilon({rate, 1.1, 0, 1e-5}) == 0);
  // One step, by the definition: delta(epsilon) = (P - e^epsilon Q)_+ in full.
  const double q = 0.3, s = 0.9, epsilon = tight_epsilon({q, s, 1, 1e-2});
  const auto excess = [=](double z) {
    const double density = std::exp(-z * z / (2 * s * s)) / (s * std::sqrt(2 * std::acos(-1.0)));
    return std::max(0.0, density * (1 - q + q * std::exp((2 * z - 1) / (2 * s * s)) - std::exp(epsilon)));
  };
  CHECK(integrate(excess, {-9, -3, 0, 1, 2, 4, 10}) == doctest::Approx(1e-2).epsilon(1e-4));
  check_contains(thrown([&] { (void)tight_epsilon(run, 1000); }), {"tight_epsilon", "1000"});
  check_contains(thrown([&] { (void)tight_epsilon({rate, 1.1, 10, 0}); }), {"delta of 0"});
  check_contains(thrown([&] { (void)tight_epsilon({rate, 0, 10, 1e-5}); }), {"tight_epsilon", "no finite bound"});
  check_contains(thrown([] { (void)gaussian_mechanism_epsilon(0, 0.1); }), {"gaussian_mechanism_epsilon"});
  check_contains(thrown([] { (void)gaussian_mechanism_epsilon(1, 1); }), {"delta of 1"});
}

TEST_CASE("misuse of the accountant") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  check_contains(thrown([] { (void)renyi_divergence({1.5, 1}, 2); }), {"renyi_divergence", "sampling rate of 1.5"});
  check_contains(thrown([] { (void)renyi_divergence({0.5, -1}, 2); }), {"noise multiplier of -1"});
  check_contains(thrown([nan] { (void)renyi_divergence({0.5, nan}, 2); }), {"nan"});
  check_contains(thrown([] { (void)renyi_divergence({0.5, 1}, 1); }), {"order of 1"});
  check_contains(thrown([] { PrivacyAccountant{{}}; }), {"no orders"});
  check_contains(thrown([] { PrivacyAccountant{{2, 0.5}}; }), {"0.5"});
  check_contains(thrown([] { PrivacyAccountant().compose({0.1, 1}, -1); }), {"compose", "-1 steps"});
  check_contains(thrown([] { PrivacyAccountant().compose({-0.1, 1}, 1); }), {"compose", "-0.1"});
  check_contains(thrown([] { (void)PrivacyAccountant().spent(0); }), {"delta of 0"});
  check_contains(thrown([] { (void)PrivacyAccountant().spent(1); }), {"delta of 1"});
  check_contains(thrown([] { (void)noise_multiplier_for({0, 1e-5, 0.1, 10}); }), {"epsilon of 0"});
}
