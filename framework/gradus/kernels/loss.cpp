#include "gradus/kernels/loss.hpp"

#include <algorithm>
#include <cmath>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/broadcast.hpp"

namespace gradus::kernels {
namespace {

// Neighbouring positions are worked on together, so that the inner loop runs along memory also when inner > 1.
constexpr Index strip = 64;

// body(first element of the strip in x, its first position, number of positions)
template <class Body>
void for_each_strip(const Classes& s, Body&& body) {
  if (s.inner == 0) return;
  const Index width = std::min(s.inner, strip), strips = (s.inner + width - 1) / width;
  const Index work = std::max<Index>(1, 4 * s.classes * width);
  parallel_for(s.outer * strips, std::max<Index>(1, elementwise_grain / work), [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      const Index o = i / strips, start = i % strips * width;
      body(o * s.classes * s.inner + start, o * s.inner + start, std::min(width, s.inner - start));
    }
  });
}

template <class T>
T log_sum_exp(const T* x, Index n) {
  T top = x[0];
  for (Index c = 1; c < n; ++c) top = std::max(top, x[c]);
  double total = 0;
  for (Index c = 0; c < n; ++c) total += double(std::exp(x[c] - top));
  return top + T(std::log(total));
}

template <class T>
void log_sum_exp(const T* x, Index n, Index inner, Index width, T* out) {
  T top[strip];
  double total[strip] = {};
  std::copy(x, x + width, top);
  for (Index c = 1; c < n; ++c)
    for (Index i = 0; i < width; ++i) top[i] = std::max(top[i], x[c * inner + i]);
  for (Index c = 0; c < n; ++c)
    for (Index i = 0; i < width; ++i) total[i] += double(std::exp(x[c * inner + i] - top[i]));
  for (Index i = 0; i < width; ++i) out[i] = top[i] + T(std::log(total[i]));
}

template <class T>
T weight_of(const T* weight, Index c) {
  return weight != nullptr ? weight[c] : T(1);
}

template <class T>
double total_weight(const Classes& s, const T* weight) {
  if (weight == nullptr) return double(s.classes);
  double total = 0;
  for (Index c = 0; c < s.classes; ++c) total += double(weight[c]);
  return total;
}

}  // namespace

template <class T>
void cross_entropy(const Classes& s, const T* x, const std::int64_t* labels, const T* weight, T* loss, T* lse) {
  const T sharp = T(1 - s.smoothing), smooth = T(s.smoothing / double(s.classes));
  for_each_strip(s, [&](Index at, Index position, Index width) {
    if (s.inner == 1)
      lse[position] = log_sum_exp(x + at, s.classes);
    else
      log_sum_exp(x + at, s.classes, s.inner, width, lse + position);
    for (Index i = 0; i < width; ++i) {
      const std::int64_t label = labels[position + i];
      T value = 0;
      if (label != s.ignore_index) {
        // A weight of 0 takes a class out, also where its loss is infinite.
        const T w = weight_of(weight, label), l = lse[position + i];
        if (w != 0 && sharp != 0) value = sharp * w * (l - x[at + label * s.inner + i]);
        if (smooth != 0) {
          double total = 0;
          for (Index c = 0; c < s.classes; ++c) {
            const T wc = weight_of(weight, c);
            if (wc != 0) total += double(wc * (l - x[at + c * s.inner + i]));
          }
          value += smooth * T(total);
        }
      }
      loss[position + i] = value;
    }
  });
}

template <class T>
void cross_entropy_backward(const Classes& s, const T* x, const std::int64_t* labels, const T* weight, const T* lse,
                            const T* g, Index g_stride, double scale, T* dx) {
  const T sharp = T(1 - s.smoothing), smooth = T(s.smoothing / double(s.classes));
  const T smooth_sum = T(s.smoothing / double(s.classes) * total_weight(s, weight));
  for_each_strip(s, [&](Index at, Index position, Index width) {
    T up[strip], sum[strip];  // the factor of the whole bracket, and a
    for (Index i = 0; i < width; ++i) {
      const std::int64_t label = labels[position + i];
      const bool counts = label != s.ignore_index;
      up[i] = counts ? T(scale) * g[(position + i) * g_stride] : T(0);
      sum[i] = counts ? sharp * weight_of(weight, label) + smooth_sum : T(0);
    }
    const T* l = lse + position;
    if (s.inner == 1) {
      if (labels[position] == s.ignore_index) {
        std::fill(dx + at, dx + at + s.classes, T(0));
        return;
      }
      const T shift = l[0], factor = up[0] * sum[0];
      for (Index c = 0; c < s.classes; ++c) dx[at + c] = factor * std::exp(x[at + c] - shift);
      if (smooth != 0)
        for (Index c = 0; c < s.classes; ++c) dx[at + c] -= up[0] * smooth * weight_of(weight, c);
    } else {
      for (Index c = 0; c < s.classes; ++c) {
        const Index row = at + c * s.inner;
        const T flat = smooth * weight_of(weight, c);
        for (Index i = 0; i < width; ++i) {
          const T value = up[i] * (sum[i] * std::exp(x[row + i] - l[i]) - flat);
          dx[row + i] = labels[position + i] != s.ignore_index ? value : T(0);
        }
      }
    }
    for (Index i = 0; i < width; ++i) {
      const std::int64_t label = labels[position + i];
      if (label != s.ignore_index) dx[at + label * s.inner + i] -= up[i] * sharp * weight_of(weight, label);
    }
  });
}

template <class T>
void class_targets(const Classes& s, const std::int64_t* labels, const T* weight, T* targets, T* sums) {
  const T sharp = T(1 - s.smoothing), smooth = T(s.smoothing / double(s.classes));
  const T smooth_sum = T(s.smoothing / double(s.classes) * total_weight(s, weight));
  for_each_strip(s, [&](Index at, Index position, Index width) {
    for (Index c = 0; c < s.classes; ++c)
      for (Index i = 0; i < width; ++i)
        targets[at + c * s.inner + i] = labels[position + i] != s.ignore_index ? smooth * weight_of(weight, c) : T(0);
    for (Index i = 0; i < width; ++i) {
      const std::int64_t label = labels[position + i];
      const bool counts = label != s.ignore_index;
      if (counts) targets[at + label * s.inner + i] += sharp * weight_of(weight, label);
      if (sums != nullptr) sums[position + i] = counts ? sharp * weight_of(weight, label) + smooth_sum : T(0);
    }
  });
}

template <class T>
double label_weight(const Classes& s, const std::int64_t* labels, const T* weight) {
  double total = 0;
  for (Index i = 0; i < s.positions(); ++i)
    if (labels[i] != s.ignore_index) total += double(weight_of(weight, labels[i]));
  return total;
}

Index first_bad_label(const Classes& s, const std::int64_t* labels) {
  for (Index i = 0; i < s.positions(); ++i)
    if (labels[i] != s.ignore_index && (labels[i] < 0 || labels[i] >= s.classes)) return i;
  return -1;
}

#define GRADUS_INSTANTIATE(T)                                                                                       \
  template void cross_entropy(const Classes&, const T*, const std::int64_t*, const T*, T*, T*);                     \
  template void cross_entropy_backward(const Classes&, const T*, const std::int64_t*, const T*, const T*, const T*, \
                                       Index, double, T*);                                                          \
  template void class_targets(const Classes&, const std::int64_t*, const T*, T*, T*);                               \
  template double label_weight(const Classes&, const std::int64_t*, const T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
