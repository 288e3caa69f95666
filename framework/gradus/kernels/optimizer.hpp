#pragma once
// Update rules of the optimisers, each one pass over memory: read gradient and state, write state and parameter. All
// the parameters of a step go into one call, as pieces, so that many small ones cost one decision about threads instead
// of one each.
//
// The arrays of a piece have n elements each and do not overlap (gradient and parameter may be the same array). T is
// float or double. Scalars are rounded to T once. NaN and inf in a gradient pass into parameter and state. The bits do
// not depend on the number of threads.
#include <span>

#include "gradus/core/shape.hpp"

namespace gradus::kernels {

template <class T>
struct SgdPiece {
  T* parameter;
  const T* gradient;
  T* buffer;   ///< b; null where momentum is 0
  bool first;  ///< b starts as the gradient
  Index n;
};
struct SgdScalars {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
};
/// d = +-g + weight_decay p;  b = momentum b + (1 - dampening) d, at first b = d;
/// p -= lr (d without momentum, d + momentum b for nesterov, else b)
template <class T>
void sgd(std::span<const SgdPiece<T>> pieces, const SgdScalars& scalars);

template <class T>
struct AdamPiece {
  T* parameter;
  const T* gradient;
  T* mean;
  T* square;
  T* largest;                                 ///< null without amsgrad
  double correction_mean, correction_square;  ///< 1 - beta1^t and 1 - beta2^t for this parameter's step t
  Index n;
};
struct AdamScalars {
  double lr, beta1, beta2, eps;
  double l2;     ///< weight decay added to the gradient (Adam)
  double decay;  ///< decoupled weight decay (AdamW)
  bool maximize;
};
/// p *= 1 - lr decay;  d = +-g + l2 p;  m = beta1 m + (1 - beta1) d;  v = beta2 v + (1 - beta2) d^2;
/// p -= lr / correction_mean * m / (sqrt(v') / sqrt(correction_square) + eps), where v' is v, or the largest v so far.
/// Kingma and Ba (2015), algorithm 1; Loshchilov and Hutter (2019), algorithm 2; Reddi et al. (2018), algorithm 2.
template <class T>
void adam(std::span<const AdamPiece<T>> pieces, const AdamScalars& scalars);

template <class T>
struct LionPiece {
  T* parameter;
  const T* gradient;
  T* mean;
  Index n;
};
struct LionScalars {
  double lr, beta1, beta2, decay;
  bool maximize;
};
/// p *= 1 - lr decay;  p -= lr sign(beta1 m + (1 - beta1) d) with d = +-g, sign(0) = 0 and sign(NaN) = NaN;
/// m = beta2 m + (1 - beta2) d. Chen et al. (2023), algorithm 2.
template <class T>
void lion(std::span<const LionPiece<T>> pieces, const LionScalars& scalars);

template <class T>
struct RmspropPiece {
  T* parameter;
  const T* gradient;
  T* square;
  T* mean;    ///< null unless centred
  T* buffer;  ///< null without momentum
  Index n;
};
struct RmspropScalars {
  double lr, alpha, eps, weight_decay, momentum;
  bool maximize;
};
/// d = +-g + weight_decay p;  v = alpha v + (1 - alpha) d^2;  centred: m = alpha m + (1 - alpha) d, and v - m^2 for v
/// below; u = d / (sqrt(v) + eps);  with momentum: b = momentum b + u, and b for u;  p -= lr u. Graves (2013),
/// equations 38 to 45. v - m^2, a variance, counts as 0 where rounding makes it negative.
template <class T>
void rmsprop(std::span<const RmspropPiece<T>> pieces, const RmspropScalars& scalars);

template <class T>
struct AdagradPiece {
  T* parameter;
  const T* gradient;
  T* sum;
  double lr;
  Index n;
};
struct AdagradScalars {
  double eps, weight_decay;
  bool maximize;
};
/// d = +-g + weight_decay p;  s += d^2;  p -= lr d / (sqrt(s) + eps). Duchi, Hazan and Singer (2011), figure 1.
template <class T>
void adagrad(std::span<const AdagradPiece<T>> pieces, const AdagradScalars& scalars);

}  // namespace gradus::kernels
