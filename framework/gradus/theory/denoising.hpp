#pragma once
// Denoising one number: Y = X + sigma N with X from a known prior and N standard normal, and the mean squared error of
// estimating X by d(Y), for any pointwise d.
#include <functional>
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/theory/lipschitz.hpp"

namespace gradus::theory {

/// One part of a prior.
struct PriorPart {
  enum class Kind {
    spike,        ///< X = location
    normal,       ///< N(location, scale^2)
    half_normal,  ///< |N(0, scale^2)|
    laplace,      ///< density e^(-|x| / scale) / (2 scale)
  };
  Kind kind = Kind::spike;
  double weight = 1;    ///< of the mixture; weights add up to 1
  double scale = 1;     ///< positive; not used by a spike
  double location = 0;  ///< not used by half_normal and laplace
};
using Prior = std::vector<PriorPart>;

/// 0 with chance `zero`, else |N(0, scale^2)|: a sparse signal that is never negative.
Prior sparse_half_normal(double zero = 0.5, double scale = 1);
/// 0 with chance `zero`, else N(0, scale^2).
Prior spike_and_slab(double zero = 0.5, double scale = 1);
Prior laplace(double scale = 1);

/// A pointwise estimate and the places where it is not smooth.
struct Denoiser {
  std::function<double(double)> estimate;
  std::vector<double> kinks;
};

Denoiser denoiser(const activations::Function& f);
/// y - lambda for y > lambda, y + lambda for y < -lambda, else 0: the proximal map of lambda |x|.
Denoiser soft_threshold(double lambda);
/// max(y - lambda, 0).
Denoiser one_sided_threshold(double lambda);
/// y Phi(sharpness y): GELU for 1, ReLU for infinity.
Denoiser gaussian_gate(double sharpness);
/// amplitude d(y). These throw for a threshold or sharpness that is negative or NaN, an amplitude that is not finite.
Denoiser scaled(const Denoiser& d, double amplitude);

/// All of the functions below throw unless sigma is positive and finite, the prior has parts, its weights are not
/// negative and add up to 1 (to 1e-9), and its scales are positive.

/// E[X | Y = y]: the estimate of least mean squared error. Every part has a closed form: Gaussians conjugate,
/// half-normal and the halves of Laplace are truncated Gaussians. Right for observations however unlikely. Throws unless
/// y is finite.
double posterior_mean(double y, const Prior& prior, double sigma);

/// E Var(X | Y), the least mean squared error of all estimates.
double minimum_risk(const Prior& prior, double sigma);

/// E (d(Y) - X)^2 = minimum_risk + E (d(Y) - E[X | Y])^2, by quadrature over Y: exact to about 13 digits.
double denoising_risk(const Denoiser& d, const Prior& prior, double sigma);

struct BestDenoiser {
  double parameter = 1;  ///< the threshold, or the sharpness (infinite: ReLU)
  double amplitude = 1;
  double risk = 0;
};

/// The amplitude a of least risk for a d(y): E[X d] / E d^2. Throws when d is 0 almost everywhere.
BestDenoiser best_amplitude(const Denoiser& d, const Prior& prior, double sigma);

/// The threshold of least risk, for soft_threshold or one_sided_threshold. Searched on a grid of 0 and 60 points from
/// sigma / 1000 to 30 sigma, then by golden sections (the risk is flat there, so the place has about 8 digits).
BestDenoiser best_threshold(const Prior& prior, double sigma, bool one_sided = false);

/// The sharpness of least risk of gaussian_gate, from 1e-3 / sigma to 1e3 / sigma, or infinite; with `amplitude`,
/// together with the best amplitude.
BestDenoiser best_gate(const Prior& prior, double sigma, bool amplitude = false);

/// R(s) = (f(s) / (s f'(s)))^2: the ratio of signal to noise behind f over that before it, when a little noise is added
/// to the signal s (first-order Taylor: the noise is multiplied by f', the signal by f / s). Infinite where f'(s) = 0.
/// Throws for s = 0.
double snr_factor(const activations::Function& f, double s);

/// The least R(s) over an interval that does not hold 0, and its place. For gelu over s > 0 it is 0.5967287 at
/// 0.8399237. Scanned at 2000 points, then golden sections. Throws unless the interval is finite.
Extreme lowest_snr_factor(const activations::Function& f, const Interval& interval);

/// The signals in an interval for which R(s) > 1: f improves the ratio. Ends by bisection; they are the interval's own
/// where R > 1 there. 0, where R has no meaning, may be an end and nothing else. Throws unless the interval is finite.
std::vector<Interval> snr_gains(const activations::Function& f, const Interval& interval);

}  // namespace gradus::theory
