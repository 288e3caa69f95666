#pragma once
// What a handful of runs says, and how sure it is. What is not defined (a spread of one value) is NaN, and tables show
// it as n/a.
#include <cstddef>
#include <span>
#include <vector>

namespace gradus::report {

double mean(std::span<const double> values);
/// The standard deviation with n - 1 (Bessel); NaN for fewer than two values.
double sample_std(std::span<const double> values);
/// sample_std / sqrt(n).
double standard_error(std::span<const double> values);
/// The q-quantile, 0 <= q <= 1, interpolated linearly between order statistics (Hyndman and Fan 1996, type 7, as NumPy
/// does). NaN for no values, or when one of them is NaN.
double quantile(std::span<const double> values, double q);
double median(std::span<const double> values);

/// A value and where it may well lie. Not defined: lower and upper are NaN.
struct Interval {
  double center;
  double lower;
  double upper;
  /// True when `value` lies inside, ends included; false for an undefined interval.
  bool contains(double value) const { return lower <= value && value <= upper; }
  bool defined() const { return lower <= upper; }
};

/// The mean and its Student-t confidence interval, mean ± t(n - 1) standard_error.
Interval mean_interval(std::span<const double> values, double level = 0.95);
/// The mean of a[i] - b[i] and its Student-t interval, for runs that share seed i. Pairing takes out what the seed
/// brings to both. Throws when the sizes differ.
Interval paired_difference_interval(std::span<const double> a, std::span<const double> b, double level = 0.95);
/// mean(a) - mean(b) for independent runs of unequal variance: Welch 1947, with the Welch-Satterthwaite degrees of
/// freedom.
Interval difference_interval(std::span<const double> a, std::span<const double> b, double level = 0.95);
/// A share such as an accuracy on `total` examples: Wilson's score interval (1927), sound near 0 and 1 too. NaN for
/// total = 0.
Interval proportion_interval(double successes, double total, double level = 0.95);

/// The regularised incomplete beta function I_x(a, b), a, b > 0, 0 <= x <= 1; NaN outside.
double incomplete_beta(double a, double b, double x);
/// P(T <= t) of Student's t with `dof` > 0 degrees of freedom (any real number; infinity is the normal distribution).
double student_t_cdf(double t, double dof);
/// The t with student_t_cdf(t, dof) = p. -inf and inf for p = 0 and 1; NaN outside.
double student_t_quantile(double p, double dof);
double normal_cdf(double z);
double normal_quantile(double p);

/// Curves of several runs as one line with a band.
struct Band {
  std::vector<double> center, lower, upper;
};
enum class Spread {
  standard_deviation,  ///< mean ± sample standard deviation: how much runs differ
  confidence,          ///< mean and its 95 % t interval: how well the mean is known
  quartiles,           ///< median and quartiles: robust to a run that diverged
};
/// Position by position over the runs that reach it (runs stopped early are shorter). One NaN among the values makes
/// that position's mean NaN: a run that diverged is not averaged away. With one run, lower and upper are NaN.
Band band(std::span<const std::vector<double>> runs, Spread spread = Spread::standard_deviation);

}  // namespace gradus::report
