#pragma once
// Normalisation. T is float or double; arrays row-major and contiguous; sums are carried in double and do not depend on
// the number of threads. A null weight counts as ones, a null bias as zeros. Sizes of 0 are fine.
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// For each of `rows` rows of n elements: y = (x - mean) rstd weight + bias, with rstd = 1 / sqrt(variance + eps), the
/// variance being that of the numbers themselves (over n). weight and bias have n elements; mean and rstd get one per
/// row.
template <class T>
void layer_norm(const T* x, const T* weight, const T* bias, double eps, T* y, T* mean, T* rstd, Index rows, Index n);

/// With h = (x - mean) rstd and q = g weight:
///   dx = rstd (q - average(q) - h average(q h)),   dweight = sum over rows of g h,   dbias = sum over rows of g.
/// Each of the three results may be null.
template <class T>
void layer_norm_backward(const T* g, const T* x, const T* weight, const T* mean, const T* rstd, T* dx, T* dweight,
                         T* dbias, Index rows, Index n);

/// x (batch, channels, inner); what is normalised together is a channel.
struct Channels {
  Index batch, channels, inner;
  Index count() const { return batch * inner; }
};

/// mean, biased variance and rstd = 1 / sqrt(variance + eps) of each channel, and y = (x - mean) rstd weight + bias.
/// count() >= 1.
template <class T>
void batch_norm(const Channels& shape, const T* x, const T* weight, const T* bias, double eps, T* y, T* mean,
                T* variance, T* rstd);
/// The same with given mean and rstd.
template <class T>
void batch_norm_apply(const Channels& shape, const T* x, const T* weight, const T* bias, const T* mean, const T* rstd,
                      T* y);
/// The formulas of layer_norm_backward, with sums and averages over the channel. With `constants`, mean and rstd do not
/// depend on x: dx = rstd g weight. Each of the three results may be null.
template <class T>
void batch_norm_backward(const Channels& shape, const T* g, const T* x, const T* weight, const T* mean, const T* rstd,
                         bool constants, T* dx, T* dweight, T* dbias);

}  // namespace gradus::kernels
