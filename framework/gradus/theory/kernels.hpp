#pragma once
// Kernels of infinitely wide networks: the Gaussian process they are at the start (NNGP) and the one that gradient
// descent follows (NTK), of any activation and any depth.
#include <functional>
#include <string_view>
#include <vector>

#include "gradus/activations/function.hpp"

namespace gradus::theory {

/// (u, v) is Gaussian with means 0, variances xx and yy and covariance xy.
struct Covariance {
  double xx = 1;
  double yy = 1;
  double xy = 0;
};

/// E f^(order)(u) f^(order)(v). In closed form for two straight lines (relu, leaky_relu, prelu, identity), gelu and
/// theory::Erf, orders 0 and 1; with the inner expectation in closed form for elu, celu, selu, hard_swish, softshrink;
/// for other smooth activations by the trapezoidal rule in the plane, which converges exponentially, and else by nested
/// adaptive quadrature. With D = (1 + xx)(1 + yy), R = D - xy^2, theta the angle between the two variables:
///   relu:  sqrt(xx yy) (sin theta + (pi - theta) cos theta) / (2 pi),  slopes (pi - theta) / (2 pi)
///          (Cho and Saul 2009),
///   gelu:  K = xy/4 + xy asin(xy / sqrt D) / (2 pi) + [xx yy + xy^2 (1 - xx yy) / D] / (2 pi sqrt R),
///          slopes dK / d xy (Price 1958: differentiating by the covariance differentiates both functions),
///   erf:   2/pi asin(2 xy / sqrt((1 + 2 xx)(1 + 2 yy)))  (Williams 1997).
/// About 13 digits, relative to sqrt(E f(u)^2 E f(v)^2). Throws unless xx, yy >= 0 and xy^2 <= xx yy, all finite, and
/// when f does not give that derivative.
double pair_expectation(const activations::Function& f, const Covariance& covariance, int order = 0);
double pair_expectation(std::string_view activation, const Covariance& covariance, int order = 0);

struct NeuralKernels {
  double nngp;  ///< E of the product of two outputs of a random network, of the last hidden layer's features
  double ntk;   ///< the inner product of the two gradients by all parameters
};

struct NeuralKernelOptions {
  int depth = 1;               ///< hidden layers
  double weight_variance = 1;  ///< times the fan-in, of the layer after each activation
  double bias_variance = 0;    ///< of its bias
};

/// Both kernels for two inputs, given the covariance of their pre-activations in the first hidden layer (x.x', when its
/// weights have variance 1). Each layer maps (Lee et al. 2018; Jacot et al. 2018)
///   K   <- weight_variance E f(u) f(v) + bias_variance,
///   NTK <- K_new + NTK weight_variance E f'(u) f'(v),     (u, v) ~ N(0, K),  NTK = K at the start.
/// Throws as pair_expectation, for a negative depth or variance.
NeuralKernels neural_kernels(const activations::Function& f, const Covariance& inputs,
                             const NeuralKernelOptions& options = {});
NeuralKernels neural_kernels(std::string_view activation, const Covariance& inputs,
                             const NeuralKernelOptions& options = {});

/// The spectrum of a kernel k(cos theta) on the circle: for m = 0, ..., highest
///   a_m = 1/pi integral of k(cos theta) cos(m theta) from 0 to pi,     k = a_0 + 2 sum of a_m cos(m theta),
/// the eigenvalues under the uniform distribution (cos m theta and sin m theta share a_m). k must be smooth in theta
/// between 0 and pi; a cusp at either end does no harm. Throws for highest < 0.
std::vector<double> circle_spectrum(const std::function<double(double)>& kernel_of_cosine, int highest);

/// The limit of a_(m+1) / a_m for gelu's kernels of one hidden layer on a circle of pre-activation variance q: the
/// kernel is analytic in the cosine up to +-(1 + q) / q, where xy^2 = D, so by the theory of Chebyshev series the
/// coefficients fall like (z + sqrt(z^2 - 1))^-m, z = (1 + q) / q. For q = 1 it is 2 - sqrt 3. Throws unless q > 0.
double gelu_spectral_ratio(double q = 1);

}  // namespace gradus::theory
