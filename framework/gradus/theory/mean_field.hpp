#pragma once
// Mean-field theory of wide random networks: what a layer x -> W f(x) + b does to variances, correlations and gradients
// when its width is infinite, and the first correction when it is not. Weights have variance weight_variance / fan_in,
// biases bias_variance. Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016;
// Schoenholz et al., "Deep information propagation", 2017. Everything here throws as gaussian_moments does, and for
// variances of weights and biases that are negative.
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::theory {

struct LayerVariances {
  double weight_variance = 1;  ///< sigma_w^2 = fan_in var(w)
  double bias_variance = 0;    ///< sigma_b^2
};

// ---- Variances ----

/// V(q) = sigma_w^2 E f(sqrt(q) z)^2 + sigma_b^2: pre-activations of variance q are followed by such of variance V(q).
double variance_map(const activations::Function& f, double q, const LayerVariances& layer);

/// V'(q) = sigma_w^2 E[f(X) f'(X) X] / q, X ~ N(0, q) (differentiate f(sqrt(q) z)^2 under the integral: no second
/// derivative of f is needed, so kinks are right).
double variance_slope(const activations::Function& f, double q, const LayerVariances& layer);

/// q, V(q), V(V(q)), ...: layers + 1 numbers. A variance that reaches 0 or infinity stays there.
std::vector<double> variance_trajectory(const activations::Function& f, double q, int layers,
                                        const LayerVariances& layer);

struct WidthSpread {
  double mean;       ///< of the variance v, over networks
  double deviation;  ///< of v from network to network
};

/// What a finite width adds to variance_trajectory, to first order in 1 / width: layers + 1 entries. Given the layer
/// before, Gaussian weights make the units of the next one exactly independent N(0, v), so that v is a Markov chain,
///   v' = sigma_w^2 (mean over `width` units of f(sqrt v z)^2) + sigma_b^2,   and, with deviation s and mean V + b,
///   s'^2 = V'(v)^2 s^2 + sigma_w^4 Var f(X)^2 / width,   b' = V'(v) b + V''(v) s^2 / 2,
/// from s = b = 0 at the first layer. Good while s is small beside v: for an unstable fixed point that ends. Throws
/// also for a negative number of layers and a width below 1.
std::vector<WidthSpread> finite_width_trajectory(const activations::Function& f, double q, int layers,
                                                 const LayerVariances& layer, Index width);

struct FixedPoint {
  double at;
  double slope;  ///< of the map there
  bool stable;   ///< |slope| < 1: neighbours come nearer
};

struct VarianceFixedPoints {
  std::vector<FixedPoint> points;  ///< rising
  bool everywhere = false;         ///< V(q) = q for all q (relu at He's variance, no bias): points is empty then
};

struct VarianceRange {
  double lowest = 1e-6;
  double highest = 1e4;
};

/// All q in the range with V(q) = q: sign changes on a grid of 20 points a decade, then bisection to the last place. A
/// fixed point where V only touches the diagonal between two grid points is not seen; q = 0 never is.
VarianceFixedPoints variance_fixed_points(const activations::Function& f, const LayerVariances& layer,
                                          const VarianceRange& range = {});

// ---- Correlations ----

/// C(c) = (sigma_w^2 E f(u) f(v) + sigma_b^2) / V(q), u and v of variance q and correlation c: the correlation of two
/// inputs after one more layer. Throws unless -1 <= c <= 1.
double correlation_map(const activations::Function& f, double c, double q, const LayerVariances& layer);

/// C'(c) = sigma_w^2 q E f'(u) f'(v) / V(q) (Price's theorem).
double correlation_slope(const activations::Function& f, double c, double q, const LayerVariances& layer);

/// The correlation in [0, 1] where two inputs end, layer after layer: the largest stable fixed point of C. It is 1 in
/// the ordered phase (C'(1) <= 1), and below in the chaotic phase, where nearby inputs are driven apart.
FixedPoint correlation_fixed_point(const activations::Function& f, double q, const LayerVariances& layer);

/// chi_1 = sigma_w^2 E f'(X)^2, X ~ N(0, q): the factor by which a layer multiplies the mean square of gradients on
/// their way back, and of small differences on their way forward; C'(1) where V(q) = q.
double chi_1(const activations::Function& f, double q, const LayerVariances& layer);

/// The number of layers over which a difference of variances or correlations falls to 1 / e: -1 / log|slope|. Infinite
/// for a slope of 1, negative (growth) beyond.
double depth_scale(double slope);

// ---- Initialisations ----

/// V(q) = q without biases: sigma_w^2 = q / E f^2, sigma_b^2 = 0. (preserving_weight_variance with a fan_in of 1.)
LayerVariances variance_preserving(const activations::Function& f, double q = 1);

/// V(q) = q and chi_1 = 1 at once, the edge of chaos: sigma_w^2 = 1 / E f'^2, sigma_b^2 = q - sigma_w^2 E f^2. Throws
/// when that is negative (softplus, sigmoid: with such weights signals grow, and no bias takes that back).
LayerVariances critical_initialisation(const activations::Function& f, double q = 1);

/// The bias that makes q a fixed point under sigma_w^2: sigma_b^2 = q - sigma_w^2 E f^2. Throws when it is negative.
LayerVariances with_preserving_bias(const activations::Function& f, double weight_variance, double q = 1);

/// The sigma_w^2 below which the fixed point q (kept by with_preserving_bias) is stable: V'(q) < 1 exactly when
/// sigma_w^2 < q / E[f f' X]. Also at most that of variance_preserving, beyond which no bias helps.
double stable_weight_variance_limit(const activations::Function& f, double q = 1);

// ---- Gradients ----

/// The mean square of gradients at the first of `layers` pre-activations, relative to the last: the product of
/// chi_1(q_l) over l = 1, ..., layers - 1, where q_1 = q and each further q_l follows by variance_map.
double gradient_gain(const activations::Function& f, double q, int layers, const LayerVariances& layer);

/// The variance of one layer's gradient gain |W^T (f' . d)|^2 / |d|^2 over the weights, relative to its square and
/// times the width: 3 k - 1, k = E f'^4 / (E f'^2)^2, since W is Gaussian and so is each of its products with d.
double gain_fluctuation(const activations::Function& f, double q = 1);

struct RecurrentFactors {
  double rms;  ///< sigma_w sqrt(E f'^2): of the gradient's root mean square, per step, for independent weights
  double spectral_norm;  ///< 2 sigma_w: of a wide square Gaussian matrix (Geman 1980)
  double mean_slope;     ///< E f'
  double lipschitz;      ///< 2 sigma_w sup|f'|: no gradient grows faster
};

/// Per time step of h' = f(W h + ...), pre-activations N(mean, variance). spectral_norm times mean_slope is neither a
/// bound nor a mean.
RecurrentFactors recurrent_factors(const activations::Function& f, double weight_deviation, double mean = 0,
                                   double variance = 1);

// ---- Blocks ----

struct ResidualOptions {
  double first = 1;     ///< sigma_1^2 = n var(W_1), n the width of x
  double second = 1;    ///< sigma_2^2 = h var(W_2), h the hidden width
  double variance = 1;  ///< q = sigma_1^2 |x|^2 / n
  Index width = 0;      ///< n; 0 for infinite
};

/// The mean squared singular value of the Jacobian I + W_2 diag(f') W_1 of x + W_2 f(W_1 x): the two matrices are
/// independent of mean 0, so the identity adds 1, and
///   s^2 = 1 + sigma_1^2 sigma_2^2 [m_2 + (m_2z - m_2) / n],  m_2 = E f'(X)^2,  m_2z = E f'(X)^2 X^2 / q, X ~ N(0, q).
/// The second term: of the n directions in the input, the one along x is not independent of X. Exact for any n and h.
/// Over blocks the product; the mean square, which is more than the typical gain.
double residual_gain(const activations::Function& f, const ResidualOptions& options = {});

struct BlockGains {
  double forward;   ///< mean square of an output over that of an input
  double backward;  ///< mean square of an input's gradient over that of an output's
};

/// W_2 f(W_1 x), weights of variance 1 / fan_in, pre-activations of variance q: E f^2 / q and E f'^2.
BlockGains feed_forward_gains(const activations::Function& f, double q = 1);

/// W_3 (gate(W_1 x) . W_2 x): E gate^2 forward; backward q E gate'^2 + E gate^2, one term for each branch. gate is silu
/// for SwiGLU, sigmoid for GLU, gelu for GEGLU (Shazeer 2020).
BlockGains gated_gains(const activations::Function& gate, double q = 1);

/// The hidden width with which a gated block of three matrices has the weights of a plain one of two: 2 h / 3. Throws
/// unless 3 divides 2 h and h > 0.
Index gated_width(Index hidden);

struct DropoutMoments {
  double mean;               ///< of D f(X), D = 1 with chance keep, else 0: keep E f
  double second;             ///< keep E f^2
  double inverted_mean;      ///< of D f(X) / keep: E f
  double inverted_variance;  ///< E f^2 / keep - (E f)^2
};

/// Of f(X), X ~ N(0, q), times an independent Bernoulli variable. Throws unless 0 < keep <= 1.
DropoutMoments dropout_moments(const activations::Function& f, double keep, double q = 1);

struct GateMoments {
  double mean;      ///< x Phi(x), which is gelu(x)
  double variance;  ///< x^2 Phi(x) Phi(-x)
};

/// Of x B, B Bernoulli with chance Phi(x): GELU is the mean of a gate that depends on its input, unlike dropout's.
GateMoments gaussian_gate_moments(double x);

/// The covariance of two outputs of layer normalisation over n exchangeable inputs (eps 0, no affine part), whatever
/// the activation before it: outputs have mean 0 and variance 1 because they add up to 0 and their squares to n, and so
/// covariance -1 / (n - 1). Throws for n < 2.
double layer_norm_covariance(Index n);

}  // namespace gradus::theory
