#include "gradus/theory/gaussian.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/theory/moments.hpp"
#include "gradus/theory/quadrature.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;

namespace {

bool close(double value, double expected, double tolerance = 1e-15) {
  return std::abs(value - expected) <= tolerance * std::abs(expected);
}

}  // namespace

TEST_CASE("normal density, distribution and quantile keep their digits in the tails") {
  // Thirty-digit values (mpmath).
  CHECK(close(normal_cdf(-1), 0.15865525393145705142));
  CHECK(close(normal_cdf(-5), 2.8665157187919391167e-7, 2e-15));
  CHECK(close(normal_cdf(-20), 2.7536241186062336951e-89, 2e-15));
  CHECK(close(normal_cdf(-37), 5.7255712225245768227e-300, 2e-15));
  CHECK(close(normal_cdf(1.5), 0.93319279873114193400));
  CHECK(close(normal_pdf(6), 6.0758828498232854870e-9, 2e-15));
  CHECK(close(normal_pdf(30.3), 1.7385997808349067410e-200, 2e-15));
  CHECK(normal_cdf(-1e300) == 0);
  CHECK(normal_pdf(std::numeric_limits<double>::infinity()) == 0);
  CHECK(close(log_normal_cdf(-1000), -500007.82669481218431, 1e-15));
  CHECK(close(log_normal_cdf(0), -std::numbers::ln2));
  CHECK(close(log_normal_cdf(6), -9.8658764552437573169e-10, 1e-14));
  CHECK(close(normal_quantile(0.975), 1.9599639845400542355, 3e-16));
  CHECK(close(normal_quantile(0.25), -0.67448975019608174320, 3e-16));
  CHECK(close(normal_quantile(1e-300), -37.0471, 1e-6));
  for (const double p : {1e-200, 1e-9, 0.01, 0.3, 0.49999, 0.5, 0.7, 0.99})
    CHECK(close(normal_cdf(normal_quantile(p)), p, 1e-13));
  CHECK(normal_quantile(0) == -std::numeric_limits<double>::infinity());
  CHECK(normal_quantile(1) == std::numeric_limits<double>::infinity());
  check_contains(thrown([] { (void)normal_quantile(1.1); }), {"normal_quantile", "1.1"});
  check_contains(thrown([] { (void)normal_quantile(std::nan("")); }), {"normal_quantile", "nan"});
}

TEST_CASE("scaled erfc and Mills' ratio") {
  CHECK(close(scaled_erfc(0), 1));
  CHECK(close(scaled_erfc(1), 0.42758357615580700442));
  CHECK(close(scaled_erfc(-2), 108.94090438997797241, 2e-15));
  CHECK(close(scaled_erfc(10), 0.056140992743822585858));
  CHECK(close(scaled_erfc(50), 0.011281536265323772500));
  CHECK(close(scaled_erfc(1e8), 1 / (1e8 * std::sqrt(std::numbers::pi))));
  for (const double x : {9.99, 3.0, 0.1}) CHECK(close(mills_ratio(x) * normal_pdf(x), normal_cdf(-x), 1e-15 * 4));
  // Both branches meet.
  const double below = scaled_erfc(std::nextafter(10.0, 0.0)), above = scaled_erfc(10);
  CHECK(close(below, above, 1e-14));
}

TEST_CASE("Owen's T") {
  // T(h, 1) = Phi(h) Phi(-h) / 2, T(0, a) = atan(a) / (2 pi).
  for (const double h : {0.0, 0.3, 1.0, 4.0, 12.0, -2.0})
    CHECK(close(owens_t(h, 1), normal_cdf(h) * normal_cdf(-h) / 2, 2e-14));
  for (const double a : {0.0, 0.2, 0.9, -0.5})
    CHECK(close(owens_t(0, a), std::atan(a) / (2 * std::numbers::pi), 1e-14));
  CHECK(owens_t(1, -0.5) == -owens_t(1, 0.5));
  CHECK(close(owens_t(0.0625, 0.25), 0.038911930234701366, 1e-14));  // Patefield and Tandy 2000
  CHECK(owens_t(1000, 0.5) == 0);
  check_contains(thrown([] { (void)owens_t(1, 2); }), {"owens_t", "2"});
}

TEST_CASE("half moments agree with quadrature, far in the tails as well") {
  for (const double mean : {-30.0, -3.0, -0.7, -0.5, -0.2, 0.0, 0.4, 2.0, 50.0})
    for (const double variance : {1e-4, 0.3, 1.0, 9.0}) {
      if (mean / std::sqrt(variance) < -35) continue;
      const std::vector<double> m = half_moments(mean, variance, 6);
      REQUIRE(m.size() == 7);
      for (int n = 0; n <= 6; ++n) {
        // In the tail a fixed rule has its points elsewhere: integrate y = X / s on its own scale there.
        const double s = std::sqrt(variance), t = mean / s, width = t < -1 ? 1 / -t : 1;
        std::vector<double> cuts;
        for (const double y : {0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0}) cuts.push_back(std::max(t, 0.0) + y * width);
        if (t > 0) cuts.insert(cuts.begin(), {0.0, t / 2});
        const double expected =
            std::pow(s, n) * integrate([&](double y) { return std::pow(y, n) * normal_pdf(y - t); }, cuts);
        CAPTURE(mean);
        CAPTURE(variance);
        CAPTURE(n);
        CAPTURE(m[std::size_t(n)] / expected - 1);
        CHECK(close(m[std::size_t(n)], expected, 2e-13));
      }
    }
  CHECK(half_moments(1, 4, 0).size() == 1);
  check_contains(thrown([] { (void)half_moments(0, 1, -1); }), {"half_moments", "-1"});
  check_contains(thrown([] { (void)half_moments(0, 0, 1); }), {"half_moments", "positive"});
}
