#include "gradus/report/statistics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/core/error.hpp"

using namespace gradus;
using namespace gradus::report;

namespace {
constexpr double NaN = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

bool close(double a, double b, double relative = 1e-13) {
  return std::abs(a - b) <= relative * std::max(std::abs(a), std::abs(b));
}

// P(0 < T < t) by Simpson's rule on the density: shares nothing with the continued fraction.
double integrated(double t, double dof) {
  const double scale = std::tgamma((dof + 1) / 2) / (std::sqrt(dof * std::numbers::pi) * std::tgamma(dof / 2));
  const auto density = [&](double u) { return scale * std::pow(1 + u * u / dof, -(dof + 1) / 2); };
  constexpr int steps = 4000;
  const double h = t / steps;
  double sum = density(0) + density(t);
  for (int i = 1; i < steps; ++i) sum += (i % 2 ? 4 : 2) * density(i * h);
  return sum * h / 3;
}
}  // namespace

TEST_CASE("mean, spread and order statistics") {
  const std::vector<double> v{2, 4, 4, 4, 5, 5, 7, 9};
  CHECK(mean(v) == 5);
  CHECK(close(sample_std(v), std::sqrt(32.0 / 7)));
  CHECK(close(standard_error(v), std::sqrt(32.0 / 7 / 8)));
  CHECK(median(v) == 4.5);
  CHECK(quantile(v, 0) == 2);
  CHECK(quantile(v, 1) == 9);
  CHECK(quantile(std::vector<double>{1, 2, 3, 4}, 0.25) == 1.75);
  CHECK(median(std::vector<double>{7, 1, 3}) == 3);
  // A large offset must not eat the spread.
  CHECK(close(sample_std(std::vector<double>{1e9 + 1, 1e9 + 2, 1e9 + 3}), 1, 1e-9));
  CHECK_THROWS_WITH_AS(quantile(v, 1.5), "quantile: q must lie between 0 and 1, got 1.5", Error);
}

TEST_CASE("what is not defined is NaN, and infinities do not crash") {
  const std::vector<double> none, one{3};
  CHECK(std::isnan(mean(none)));
  CHECK(std::isnan(sample_std(one)));
  CHECK(std::isnan(standard_error(none)));
  CHECK(std::isnan(median(none)));
  CHECK(mean(one) == 3);
  CHECK(median(one) == 3);
  const Interval interval = mean_interval(one);
  CHECK(interval.center == 3);
  CHECK(std::isnan(interval.lower));
  CHECK_FALSE(interval.defined());
  CHECK_FALSE(interval.contains(3));
  CHECK(std::isnan(median(std::vector<double>{1, NaN, 2})));
  CHECK(mean(std::vector<double>{1, inf}) == inf);
  CHECK(std::isnan(sample_std(std::vector<double>{1, inf})));
}

TEST_CASE("Student's t quantiles agree with the tables") {
  const struct {
    double p, dof, t;
  } rows[] = {
      {0.975, 1, 12.706204736432095},   {0.975, 2, 4.302652729911275},     {0.975, 3, 3.182446305284263},
      {0.975, 4, 2.7764451051977987},   {0.975, 5, 2.5705818366147395},    {0.975, 9, 2.2621571628540993},
      {0.975, 10, 2.2281388519649385},  {0.975, 29, 2.045229642132703},    {0.975, 30, 2.0422724563012373},
      {0.975, 100, 1.9839715184496334}, {0.975, 1000, 1.9623390808264078}, {0.975, inf, 1.959963984540054},
      {0.995, 4, 4.604094871415897},    {0.995, 9, 3.2498355440153697},    {0.95, 1, 6.313751514675043},
  };
  for (const auto& row : rows) {
    CAPTURE(row.dof);
    CHECK(close(student_t_quantile(row.p, row.dof), row.t, 1e-9));
    CHECK(close(student_t_quantile(1 - row.p, row.dof), -row.t, 1e-9));
    CHECK(close(student_t_cdf(row.t, row.dof), row.p, 1e-10));
  }
  CHECK(student_t_quantile(0.5, 3) == 0);
  CHECK(student_t_quantile(1, 3) == inf);
  CHECK(student_t_quantile(0, 3) == -inf);
  CHECK(std::isnan(student_t_quantile(0.9, 0)));
  CHECK(std::isnan(student_t_quantile(1.1, 5)));
  CHECK(std::isnan(student_t_quantile(NaN, 5)));
}

TEST_CASE("Student's t has closed forms for 1 and 2 degrees of freedom, far into the tails") {
  for (double p : {0.5001, 0.6, 0.9, 0.999, 1 - 1e-6}) {
    CAPTURE(p);
    CHECK(close(student_t_quantile(p, 1), std::tan(std::numbers::pi * (p - 0.5)), 1e-9));
    CHECK(close(student_t_quantile(p, 2), (2 * p - 1) / std::sqrt(2 * p * (1 - p)), 1e-9));
  }
  CHECK(close(student_t_quantile(1e-100, 1), -1e100 / std::numbers::pi, 1e-10));
  CHECK(close(student_t_cdf(-1e160, 1), 1e-160 / std::numbers::pi, 1e-10));
}

TEST_CASE("Student's t for real degrees of freedom agrees with the integrated density") {
  for (double dof : {0.7, 2.5, 7.31, 41.5, 79.9, 80.1, 200.25, 330.0})
    for (double t : {0.001, 0.5, 1.0, 2.3, 6.0}) {
      CAPTURE(dof);
      CAPTURE(t);
      CHECK(close(student_t_cdf(t, dof), 0.5 + integrated(t, dof), 1e-10));
    }
  // The series for large degrees of freedom runs into the normal distribution.
  CHECK(close(student_t_cdf(2, 1e12), normal_cdf(2), 1e-11));
  // Both methods meet where one takes over from the other.
  for (double t : {0.3, 2.0, 5.0, 7.0}) {
    CAPTURE(t);
    const double below = student_t_cdf(-t, 2000), above = student_t_cdf(-t, 2000.0000001);
    CHECK(close(below, above, 1e-10));
  }
  CHECK(close(normal_quantile(0.84134474606854293), 1, 1e-12));
}

TEST_CASE("the incomplete beta function") {
  CHECK(close(incomplete_beta(2, 3, 0.5), 0.6875));
  CHECK(close(incomplete_beta(1, 7, 0.3), 1 - std::pow(0.7, 7)));
  CHECK(close(incomplete_beta(0.5, 0.5, 0.5), 0.5));
  CHECK(close(incomplete_beta(3.5, 1, 0.9), std::pow(0.9, 3.5)));
  CHECK(incomplete_beta(2, 3, 0) == 0);
  CHECK(incomplete_beta(2, 3, 1) == 1);
  CHECK(std::isnan(incomplete_beta(2, 3, 1.5)));
  CHECK(std::isnan(incomplete_beta(0, 3, 0.5)));
}

TEST_CASE("confidence intervals") {
  // Student's sleep data (1908): the two drugs differ by 1.58 hours, 95 % interval 0.70 to 2.46 (as R's t.test prints
  // it).
  const std::vector<double> a{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
  const std::vector<double> b{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
  const Interval paired = paired_difference_interval(b, a);
  CHECK(close(paired.center, 1.58));
  CHECK(close(paired.lower, 0.7001142, 1e-7));
  CHECK(close(paired.upper, 2.4598858, 1e-7));
  CHECK_FALSE(paired.contains(0));
  const Interval welch = difference_interval(b, a);
  CHECK(close(welch.lower, -0.2054832, 1e-6));
  CHECK(close(welch.upper, 3.3654832, 1e-6));
  CHECK(welch.contains(0));
  const Interval one = mean_interval(std::vector<double>{1, 2, 3}, 0.95);
  CHECK(close(one.upper - one.center, 0.95 / std::sqrt(2 * 0.975 * 0.025) / std::sqrt(3.0), 1e-12));
  CHECK_THROWS_WITH_AS(
      paired_difference_interval(a, std::vector<double>{1.0}),
      "paired_difference_interval: pairs need equally many values, got 10 and 1; hint: difference_interval() is for "
      "independent runs",
      Error);
  CHECK_THROWS_WITH_AS(mean_interval(a, 1.0), "confidence interval: the level must lie between 0 and 1, got 1", Error);
  // Equal runs: an interval of width zero, not a NaN from 0 / 0 degrees of freedom.
  const Interval same = difference_interval(std::vector<double>{1, 1}, std::vector<double>{1, 1});
  CHECK(same.lower == 0);
  CHECK(same.upper == 0);
}

TEST_CASE("Wilson's interval for a proportion") {
  // Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611, 1 of 29 gives 0.0061 to
  // 0.1718.
  const Interval i = proportion_interval(81, 263), zero = proportion_interval(0, 20), few = proportion_interval(1, 29);
  CHECK(std::round(i.lower * 1e4) == 2553);
  CHECK(std::round(i.upper * 1e4) == 3662);
  CHECK(zero.lower == 0);
  CHECK(std::round(zero.upper * 1e4) == 1611);
  CHECK(std::round(few.lower * 1e4) == 61);
  CHECK(std::round(few.upper * 1e4) == 1718);
  CHECK(std::isnan(proportion_interval(0, 0).lower));
  CHECK_THROWS_AS(proportion_interval(5, 4), Error);
}

TEST_CASE("a band over several runs") {
  const std::vector<std::vector<double>> runs{{1, 10, NaN}, {3, 14, 2}, {5}};
  const Band b = band(runs);
  CHECK(b.center.size() == 3);
  CHECK(b.center[0] == 3);
  CHECK(b.upper[0] == 5);
  CHECK(b.lower[0] == 1);
  CHECK(b.center[1] == 12);
  CHECK(close(b.upper[1], 12 + std::sqrt(8.0)));
  CHECK(std::isnan(b.center[2]));
  const Band sure = band(runs, Spread::confidence);
  CHECK(close(sure.upper[0], 3 + 4.302652729749464 * 2 / std::sqrt(3.0), 1e-12));
  const Band quarters = band(runs, Spread::quartiles);
  CHECK(quarters.center[0] == 3);
  CHECK(quarters.lower[0] == 2);
  CHECK(std::isnan(band(std::vector<std::vector<double>>{{4}}).upper[0]));
  CHECK(band({}).center.empty());
}
