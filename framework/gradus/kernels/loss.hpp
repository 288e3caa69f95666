#pragma once
// Losses. T is float or double; arrays row-major and contiguous.
#include <cstdint>

#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// The sizes and settings of a classification: x is (outer, classes, inner), labels are (outer, inner), each a class or
/// `ignore_index`; the caller has checked that. A null class weight counts as ones.
struct Classes {
  Index outer, classes, inner;
  std::int64_t ignore_index;
  double smoothing;

  Index positions() const { return outer * inner; }
};

/// Softmax and the negative logarithm of the label's probability, smoothed, in one go. With top = max_c x_c and rest =
/// log(sum_c exp(x_c - top)), which are kept for the gradient (two numbers for each position; their sum would lose the
/// digits of `rest`), and s = smoothing:
///   loss = (1 - s) w_y (rest + top - x_y) + s / classes sum_c w_c (rest + top - x_c)
/// at each position, and 0 where the label is ignored. (Smoothing: Szegedy et al., "Rethinking the Inception
/// architecture", 2015, section 7; weighted as in PyTorch.)
template <class T>
void cross_entropy(const Classes& shape, const T* x, const std::int64_t* labels, const T* weight, T* loss, T* top,
                   T* rest);

/// dx = scale g (a softmax(x) - t), with t and a as in class_targets; softmax(x) = exp(x - top - rest). `g` has one
/// element for each position, or one for all when g_stride is 0.
template <class T>
void cross_entropy_backward(const Classes& shape, const T* x, const std::int64_t* labels, const T* weight, const T* top,
                            const T* rest, const T* g, Index g_stride, double scale, T* dx);

/// The weighted, smoothed target of each position, t_c = (1 - s) w_y [c = y] + s w_c / classes, (outer, classes,
/// inner), and its sum over the classes a, (outer, inner); both 0 where the label is ignored. `sums` may be null.
template <class T>
void class_targets(const Classes& shape, const std::int64_t* labels, const T* weight, T* targets, T* sums);

/// loss = -w_y x_y at each position, 0 where the label is ignored: the loss of log-probabilities x.
template <class T>
void negative_log_likelihood(const Classes& shape, const T* x, const std::int64_t* labels, const T* weight, T* loss);

/// The sum of w_y over the positions whose label is not ignored.
template <class T>
double label_weight(const Classes& shape, const std::int64_t* labels, const T* weight);

/// The first position whose label is neither a class nor ignore_index; -1 when there is none.
Index first_bad_label(const Classes& shape, const std::int64_t* labels);

/// Losses of a prediction a and a target b, element by element. With d = a - b and a parameter p:
enum class PairLoss {
  squared,               ///< d^2
  absolute,              ///< |d|
  huber,                 ///< d^2 / 2 where |d| <= p, else p (|d| - p / 2)
  smooth_l1,             ///< huber / p
  bce_with_logits,       ///< -b log s(a) - (1 - b) log(1 - s(a)), s the logistic function
  binary_cross_entropy,  ///< -b log a - (1 - b) log(1 - a), the logarithms at least -100
  kl_divergence,         ///< b (log b - a)
  kl_divergence_log,     ///< e^b (b - a)
};

template <class T>
void pair_loss(PairLoss kind, double p, const T* a, const T* b, T* loss, Index n);
/// The sum of the losses, in double; does not depend on the number of threads.
template <class T>
double pair_loss_sum(PairLoss kind, double p, const T* a, const T* b, Index n);
/// da = scale g d loss / d a, db = scale g d loss / d b; each may be null. `g` has n elements, or one for all when
/// g_stride is 0.
template <class T>
void pair_loss_backward(PairLoss kind, double p, const T* a, const T* b, const T* g, Index g_stride, double scale,
                        T* da, T* db, Index n);

}  // namespace gradus::kernels
