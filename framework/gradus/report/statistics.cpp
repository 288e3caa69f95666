#include "gradus/report/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/core/format.hpp"

namespace gradus::report {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double epsilon = std::numeric_limits<double>::epsilon();

// The continued fraction of I_x(a, b) by Lentz's method (DLMF 8.17.22); quick for x < (a + 1) / (a + b + 2), where it
// takes of the order of sqrt(max(a, b)) steps.
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  const auto away_from_zero = [](double v) { return std::abs(v) < tiny ? tiny : v; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), value = d;
  const double limit = 1000 + 20 * std::sqrt(std::max(a, b));
  for (double m = 1; m < limit; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    value *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    value *= d * c;
    if (std::abs(d * c - 1) < 2 * epsilon) break;
  }
  return value;
}

// log(Gamma(a + 1/2) / Gamma(a)). The difference of two large lgamma values loses digits, so large a takes the
// asymptotic series.
double log_gamma_half_step(double a) {
  if (a < 40) return std::lgamma(a + 0.5) - std::lgamma(a);
  const double r = 1 / a, r2 = r * r;
  return 0.5 * std::log(a) - r * (1.0 / 8 - r2 * (1.0 / 192 - r2 * (1.0 / 640 - r2 * 17.0 / 14336)));
}

// I_x(a, b) with y = 1 - x given apart, since one of them may be far below the other's rounding.
double beta_share(double a, double b, double x, double y, double log_gammas) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const double log_x = x < 0.5 ? std::log(x) : std::log1p(-y), log_y = y < 0.5 ? std::log(y) : std::log1p(-x);
  const double front = std::exp(log_gammas + a * log_x + b * log_y);
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, y) / b;
}

// P(T > t) for t >= 0: half of I_x(dof/2, 1/2) at x = dof / (dof + t^2).
double upper_tail(double t, double dof) {
  if (std::isinf(dof)) return 0.5 * std::erfc(t / std::numbers::sqrt2);
  if (dof > 2000) {
    // Here the fraction loses digits to the rounding of x. Hill's normal deviate (1970, Algorithm 395) takes over;
    // the two agree to ten digits at dof = 2000.
    const double r = t / std::sqrt(dof), a = dof - 0.5, b = 48 * a * a,
                 y = a * (r < 1e150 ? std::log1p(r * r) : 2 * std::log(r));
    const double correction = (((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b);
    return 0.5 * std::erfc(((correction + y + 3) / b + 1) * std::sqrt(y) / std::numbers::sqrt2);
  }
  const double r = t / std::sqrt(dof), scale = 1 + r * r;
  if (!std::isfinite(scale))
    return std::isinf(t)
               ? 0
               : 0.5 * std::exp(log_gamma_half_step(dof / 2) - 0.5 * std::log(std::numbers::pi) - dof * std::log(r)) *
                     2 / dof;
  const double log_gammas = log_gamma_half_step(dof / 2) - 0.5 * std::log(std::numbers::pi);
  return 0.5 * beta_share(dof / 2, 0.5, 1 / scale, r * r / scale, log_gammas);
}

Interval around(double center, double standard_error, double dof, double level) {
  if (!(level > 0 && level < 1)) failf("confidence interval", "the level must lie between 0 and 1, got {}", level);
  const double half = student_t_quantile(0.5 + level / 2, dof) * standard_error;
  return {center, center - half, center + half};
}

}  // namespace

double mean(std::span<const double> values) {
  if (values.empty()) return nan;
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (double v : values) sum += v;
  const double first = sum / n;
  if (!std::isfinite(first)) return first;
  // A second pass takes out what rounding left.
  double rest = 0;
  for (double v : values) rest += v - first;
  return first + rest / n;
}

double sample_std(std::span<const double> values) {
  if (values.size() < 2) return nan;
  const double center = mean(values);
  double squares = 0;
  for (double v : values) squares += (v - center) * (v - center);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double standard_error(std::span<const double> values) {
  return sample_std(values) / std::sqrt(static_cast<double>(values.size()));
}

double quantile(std::span<const double> values, double q) {
  if (!(q >= 0 && q <= 1)) failf("quantile", "q must lie between 0 and 1, got {}", q);
  if (values.empty() || std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) return nan;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at), above = std::min(below + 1, sorted.size() - 1);
  const double share = at - static_cast<double>(below);
  return share == 0 ? sorted[below] : sorted[below] * (1 - share) + sorted[above] * share;
}

double median(std::span<const double> values) { return quantile(values, 0.5); }

Interval mean_interval(std::span<const double> values, double level) {
  return around(mean(values), standard_error(values), static_cast<double>(values.size()) - 1, level);
}

Interval paired_difference_interval(std::span<const double> a, std::span<const double> b, double level) {
  if (a.size() != b.size())
    failf("paired_difference_interval",
          "pairs need equally many values, got {} and {}; hint: difference_interval() is for "
          "independent runs",
          a.size(), b.size());
  std::vector<double> differences(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  return mean_interval(differences, level);
}

Interval difference_interval(std::span<const double> a, std::span<const double> b, double level) {
  const double ea = std::pow(standard_error(a), 2), eb = std::pow(standard_error(b), 2), both = ea + eb;
  const double center = mean(a) - mean(b);
  if (both == 0) return {center, center, center};
  const double dof =
      both * both / (ea * ea / (static_cast<double>(a.size()) - 1) + eb * eb / (static_cast<double>(b.size()) - 1));
  return around(center, std::sqrt(both), dof, level);
}

Interval proportion_interval(double successes, double total, double level) {
  if (!(successes >= 0 && successes <= total))
    failf("proportion_interval", "needs 0 <= successes <= total, got {} of {}", successes, total);
  if (!(level > 0 && level < 1)) failf("confidence interval", "the level must lie between 0 and 1, got {}", level);
  if (total == 0) return {nan, nan, nan};
  const double z = normal_quantile(0.5 + level / 2), p = successes / total, r = z * z / total;
  const double center = (p + r / 2) / (1 + r), half = std::sqrt(p * (1 - p) * r + r * r / 4) / (1 + r);
  return {p, std::max(0.0, center - half), std::min(1.0, center + half)};
}

double incomplete_beta(double a, double b, double x) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1 && std::isfinite(a) && std::isfinite(b))) return nan;
  return beta_share(a, b, x, 1 - x, std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b));
}

double student_t_cdf(double t, double dof) {
  if (std::isnan(t) || !(dof > 0)) return nan;
  const double tail = upper_tail(std::abs(t), dof);
  return t > 0 ? 1 - tail : tail;
}

double student_t_quantile(double p, double dof) {
  if (!(p >= 0 && p <= 1) || !(dof > 0)) return nan;
  if (p == 0.5) return 0;
  const double tail = std::min(p, 1 - p), sign = p < 0.5 ? -1 : 1;
  if (tail == 0) return sign * inf;
  // Bisection on log t: the tail falls monotonously, and the interval of floating-point numbers halves at every step.
  double low = 1e-300, high = 1e300;
  if (upper_tail(high, dof) > tail) return sign * inf;
  if (upper_tail(low, dof) < tail) return 0;
  for (int i = 0; i < 200; ++i) {
    const double middle = high / low > 4 ? std::sqrt(low) * std::sqrt(high) : 0.5 * (low + high);
    if (middle <= low || middle >= high) break;
    (upper_tail(middle, dof) > tail ? low : high) = middle;
  }
  return sign * 0.5 * (low + high);
}

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }
double normal_quantile(double p) { return student_t_quantile(p, inf); }

Band band(std::span<const std::vector<double>> runs, Spread spread) {
  std::size_t longest = 0;
  for (const auto& run : runs) longest = std::max(longest, run.size());
  Band result;
  std::vector<double> here;
  for (std::size_t i = 0; i < longest; ++i) {
    here.clear();
    for (const auto& run : runs)
      if (i < run.size()) here.push_back(run[i]);
    double center = mean(here), lower = nan, upper = nan;
    if (spread == Spread::confidence) {
      const Interval interval = mean_interval(here);
      lower = interval.lower, upper = interval.upper;
    } else if (spread == Spread::quartiles) {
      center = median(here);
      if (here.size() > 1) lower = quantile(here, 0.25), upper = quantile(here, 0.75);
    } else {
      const double deviation = sample_std(here);
      lower = center - deviation, upper = center + deviation;
    }
    result.center.push_back(center), result.lower.push_back(lower), result.upper.push_back(upper);
  }
  return result;
}

}  // namespace gradus::report
