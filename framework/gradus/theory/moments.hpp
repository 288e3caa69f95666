#pragma once
// Moments of activations under a Gaussian: what wide random layers do to a signal. All in double.
#include <functional>
#include <string_view>
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::theory {

struct GaussianOptions {
  double mean = 0;
  double variance = 1;
};

/// E h(X) for X ~ N(mean, variance), by adaptive quadrature, split at the places given, where h is not smooth.
/// Throws unless the variance is positive and both are finite.
double gaussian_expectation(const std::function<double(double)>& h, const GaussianOptions& options = {},
                            const std::vector<double>& kinks = {});

/// For X ~ N(mean, variance) and an activation f.
struct Moments {
  double mean;          ///< E f(X)
  double second;        ///< E f(X)^2
  double variance;      ///< Var f(X)
  double slope_mean;    ///< E f'(X)
  double slope_second;  ///< E f'(X)^2
};

/// Adaptive quadrature, split where f is not smooth: about 13 digits, of a mean that cancels relative to sqrt(E f^2). Where
/// f varies by less than 1/3000 of its size, Var f is found from integrals of f', which do not cancel. Throws unless the
/// variance is positive and finite, and when f gives no derivative.
Moments gaussian_moments(const activations::Function& f, const GaussianOptions& options = {});
/// The same for an activation's name.
Moments gaussian_moments(std::string_view activation, const GaussianOptions& options = {});

struct PreservingVarianceOptions {
  Index fan_in = 1;
  double variance = 1;  ///< q, of the pre-activations
};

/// The variance of the weights for which pre-activations of variance q are followed by pre-activations of variance q:
/// z' = sum over fan_in of w f(z) has variance fan_in var(w) E f(z)^2, so var(w) = q / (fan_in E f(sqrt(q) z)^2). He's
/// 2 / fan_in for relu (He et al. 2015), 1 / fan_in for selu (Klambauer et al. 2017).
double preserving_weight_variance(const activations::Function& f, const PreservingVarianceOptions& options = {});
double preserving_weight_variance(std::string_view activation, const PreservingVarianceOptions& options = {});

}  // namespace gradus::theory
