#pragma once
// Residual blocks one after another.
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/theory/mean_field.hpp"
#include "gradus/theory/moments.hpp"

namespace gradus::theory {

struct ResidualStack {
  std::vector<double> variance;  ///< q before each block, and after the last: blocks + 1 numbers
  double gain;                   ///< the mean squared singular value of the whole Jacobian
};

/// Of `blocks` blocks x <- x + W_2 f(W_1 x) with weights of their own, q = sigma_1^2 |x|^2 / n starting at options.variance. The two
/// terms are uncorrelated, so that |x|^2 grows by |W_2 f|^2 and
///   q <- q + sigma_1^2 sigma_2^2 E f(X)^2,   X ~ N(0, q),
/// and the gain is the product of residual_gain at these q. Exact for infinite width; else up to terms of order 1 / n, since |x|^2
/// fluctuates and gradients are not quite independent of x. Throws as residual_gain, and for a negative number of blocks.
ResidualStack residual_stack(const activations::Function& f, int blocks, const ResidualOptions& options = {});

/// The same of blocks x <- x + W_2 f(W_1 LN(x)), as pre-norm Transformers have them (Xiong et al. 2020), for infinite width. Whatever
/// came before, W_1 LN(x) has variance sigma_1^2, so that v = |x|^2 / n grows evenly, by s = sigma_2^2 E f(X)^2, X ~ N(0, sigma_1^2), and
/// LN divides gradients by sqrt v: the gain of a block is
///   1 + sigma_1^2 sigma_2^2 E f'(X)^2 / v.
/// So gradients grow like a power of the depth, not exponentially; for relu the gain is v_end / v_start. `variance` is sigma_1^2 v, as
/// above. Throws as residual_stack, and unless options.width is 0 and first is positive.
ResidualStack pre_norm_stack(const activations::Function& f, int blocks, const ResidualOptions& options = {});

/// The limit of |det J|^(2/n), the geometric mean of the squared singular values of J = I + W_2 diag(f') W_1, as n and h grow. The
/// eigenvalues lambda of W_2 diag(f') W_1 lie in a disk of squared radius r^2 = sigma_1^2 sigma_2^2 E f'^2, evenly in all directions
/// (W_2 turned has the same law as W_2), and the mean of log|1 + lambda| over a circle inside the unit disk is 0 (log|1 + z| is harmonic
/// there). So it is 1, whatever f: volumes are kept although the mean square grows. Throws for r > 1, where the law of the radii matters.
double residual_geometric_gain(const activations::Function& f, const ResidualOptions& options = {});

/// What the identity path alone of blocks y = f(x + F(x)), with the activation behind the sum, makes of a gradient's root mean square: it
/// multiplies by f' of every sum, and if these are independent N(mean, variance) the gain is (E f'^2)^(blocks / 2). Blocks y = x + F(x)
/// have 1. Throws as gaussian_moments, and for a negative number of blocks.
double identity_path_gain(const activations::Function& f, int blocks, const GaussianOptions& sums = {});

/// Of blocks x <- f(x + b) whose branches end with batch normalisation, so that b ~ N(0, 1), independent of x and of each other; x starts
/// as f(b). Entry k is behind k blocks.
struct PostActivationStream {
  std::vector<double> mean;           ///< E x
  std::vector<double> second;         ///< E x^2
  std::vector<double> negative;       ///< the chance that sum k + 1 is negative, for k = 0, ..., blocks - 1
  std::vector<double> identity_gain;  ///< E of the product of f'^2 over the first k sums: a mean square
};

/// By Gauss-Legendre rules on the sums, whose law is smooth: twelve digits. For relu x is a random walk that is pushed back to 0, and the
/// identity gain is the chance that the walk never goes below 0, (u_k / 2) + u_(k+1) with u_k = binomial(2k, k) / 4^k (Sparre Andersen
/// 1953): it falls like 1 / sqrt k, not like 2^-k. Throws for a negative number of blocks, without f', and where the stream grows faster
/// than a random walk (selu).
PostActivationStream post_activation_stream(const activations::Function& f, int blocks);

}  // namespace gradus::theory
