#include "gradus/theory/elu_alpha.hpp"

#include <cmath>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/theory/gaussian.hpp"

namespace gradus::theory {
namespace {

// E[e^(k X); X < 0], for m >= 0 without its factor phi(m), which cancels from all ratios: with t = m + k s it is phi(m)
// mills_ratio(t), as k mean + k^2 s^2 / 2 = (t^2 - m^2) / 2.
double tail(double m, double k_s) {
  const double t = m + k_s;
  if (m >= 0) return mills_ratio(t);
  return t >= 0 ? normal_pdf(m) * mills_ratio(t) : std::exp(k_s * (m + k_s / 2)) * normal_cdf(-t);
}

// E[X; X > 0] / E[1 - e^X; X < 0]. For m >= 0 both without the factor phi(m).
double centring(double mean, double variance) {
  const double s = std::sqrt(variance), m = mean / s, factor = m >= 0 ? normal_pdf(m) : 1;
  const double positive = half_moments(mean, variance, 1)[1] / factor;
  double negative = tail(m, 0) - tail(m, s);
  if (std::abs(mean) + s < 1e-4) {
    // The difference cancels, and 1 - e^X is -X - X^2 / 2 - X^3 / 6 - ...
    std::vector<double> left = m >= 0 ? tail_integrals(-m, 3) : half_moments(-mean, variance, 3);  // E[(-X)^n; X < 0]
    if (m >= 0)
      for (int n = 1; n <= 3; ++n) left[std::size_t(n)] *= std::pow(s, n);
    negative = left[1] - left[2] / 2 + left[3] / 6;
  }
  return positive / negative;
}

}  // namespace

double adaptive_elu_alpha(EluCondition condition, double mean, double variance) {
  if (!std::isfinite(mean) || !(variance > 0) || !std::isfinite(variance))
    failf("adaptive_elu_alpha", "N({}, {}): both must be finite, the variance positive", mean, variance);
  if (condition == EluCondition::zero_mean) return centring(mean, variance);
  const double s = std::sqrt(variance), m = mean / s;
  if (condition == EluCondition::unit_slope) return tail(m, 0) / tail(m, s);
  return std::sqrt(tail(m, 0) / tail(m, 2 * s));
}

}  // namespace gradus::theory
