#pragma once
// The functions of the Gaussian that closed forms are made of, right in the tails too. All in double.
#include <vector>

namespace gradus::theory {

/// phi(x) = e^(-x^2 / 2) / sqrt(2 pi).
double normal_pdf(double x);

/// Phi(x) = P(Z < x) = erfc(-x / sqrt 2) / 2, without cancellation in the left tail.
double normal_cdf(double x);

/// The x with Phi(x) = p. -infinity at 0, infinity at 1. Throws unless 0 <= p <= 1.
double normal_quantile(double p);

/// e^(x^2) erfc(x), which neither over- nor underflows for x > -26: erfc itself below 10 (with what rounding loses of
/// x^2), the asymptotic series of Abramowitz and Stegun 7.1.23 above. Infinite far on the left.
double scaled_erfc(double x);

/// Mills' ratio Phi(-x) / phi(x), about 1 / x for large x.
double mills_ratio(double x);

/// log Phi(x), finite for every finite x.
double log_normal_cdf(double x);

/// Owen's T(h, a) = 1 / (2 pi) integral over 0 < x < a of e^(-h^2 (1 + x^2) / 2) / (1 + x^2): the chance of X > h and
/// 0 < Y < a X for independent normal X, Y (Owen 1956). Throws unless |a| <= 1 and both are finite.
double owens_t(double h, double a);

/// G_n(t) = integral over y > 0 of y^n e^(t y - y^2 / 2) for n = 0, ..., highest and t <= 0: what is left of
/// half_moments without the factor phi(t), which underflows far in the tail. G_0 is Mills' ratio of -t, and by parts
/// G_(n+1) = t G_n + n G_(n-1), which would cancel; the ratios G_n / G_(n-1) = n / (-t + G_(n+1) / G_n) are a continued
/// fraction, evaluated from far behind. Throws unless highest >= 0 and t <= 0.
std::vector<double> tail_integrals(double t, int highest);

/// E[X^n; X > 0] for X ~ N(mean, variance), n = 0, ..., highest: entry n of what is returned. All positive, and every
/// one to nearly all its digits, however far in the tail: with s the deviation and t = mean / s it is s^n phi(t) G_n(t)
/// (tail_integrals), for t > 0 by E[X^(n+1); X > 0] = mean E[X^n; X > 0] + n variance E[X^(n-1); X > 0], which adds
/// positive terms. Throws unless highest >= 0, the mean is finite and the variance finite and positive.
std::vector<double> half_moments(double mean, double variance, int highest);

}  // namespace gradus::theory
