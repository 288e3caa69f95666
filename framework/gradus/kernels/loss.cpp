#include "gradus/kernels/loss.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/core/simd_math.hpp"
#include "gradus/kernels/broadcast.hpp"
#include "gradus/kernels/row_batches.hpp"

namespace gradus::kernels {
namespace {

using simd::Batch;

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

// The logarithm of the sum of exp(x), in two parts: the largest x, and what the sum has beyond it.
template <class T>
void log_sum_exp(const T* x, Index n, T& top, T& rest) {
  constexpr T none = -std::numeric_limits<T>::infinity();
  constexpr Index run = 64 * Batch<T>::size;  // elements between two trips of the partial sums to double
  Batch<T> most(none);
  for_each_batch<T>(n, [&](Index i, int count) { most = max(most, load(x + i, count, none)); });
  top = reduce_max(most);
  double total = 0;
  for (Index start = 0; start < n; start += run) {
    Batch<T> sum(T(0));
    for_each_batch<T>(std::min(run, n - start),
                      [&](Index i, int count) { sum += exp(load(x + start + i, count, none) - Batch<T>(top)); });
    total += sum_of(sum);
  }
  rest = T(std::log(total));
}

// The same for `width` neighbouring columns of a matrix with rows of `inner`.
template <class T>
void log_sum_exp(const T* x, Index n, Index inner, Index width, T* top, T* rest) {
  T e[strip];
  double total[strip] = {};
  std::copy(x, x + width, top);
  for (Index c = 1; c < n; ++c)
    for (Index i = 0; i < width; ++i) top[i] = std::max(top[i], x[c * inner + i]);
  for (Index c = 0; c < n; ++c) {
    for_each_batch<T>(width, [&](Index i, int count) {
      store(exp(load(x + c * inner + i, count) - load(top + i, count)), e + i, count);
    });
    for (Index i = 0; i < width; ++i) total[i] += double(e[i]);
  }
  for (Index i = 0; i < width; ++i) rest[i] = T(std::log(total[i]));
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
void cross_entropy(const Classes& s, const T* x, const std::int64_t* labels, const T* weight, T* loss, T* top,
                   T* rest) {
  const T sharp = T(1 - s.smoothing), smooth = T(s.smoothing / double(s.classes));
  for_each_strip(s, [&](Index at, Index position, Index width) {
    if (s.inner == 1)
      log_sum_exp(x + at, s.classes, top[position], rest[position]);
    else
      log_sum_exp(x + at, s.classes, s.inner, width, top + position, rest + position);
    for (Index i = 0; i < width; ++i) {
      const std::int64_t label = labels[position + i];
      T value = 0;
      if (label != s.ignore_index) {
        // A weight of 0 takes a class out, also where its loss is infinite.
        const T w = weight_of(weight, label), t = top[position + i], r = rest[position + i];
        if (w != 0 && sharp != 0) value = sharp * w * (r + (t - x[at + label * s.inner + i]));
        if (smooth != 0) {
          double total = 0;
          for (Index c = 0; c < s.classes; ++c) {
            const T wc = weight_of(weight, c);
            if (wc != 0) total += double(wc * (r + (t - x[at + c * s.inner + i])));
          }
          value += smooth * T(total);
        }
      }
      loss[position + i] = value;
    }
  });
}

template <class T>
void cross_entropy_backward(const Classes& s, const T* x, const std::int64_t* labels, const T* weight, const T* top,
                            const T* rest, const T* g, Index g_stride, double scale, T* dx) {
  const T sharp = T(1 - s.smoothing), smooth = T(s.smoothing / double(s.classes));
  const T smooth_sum = T(s.smoothing / double(s.classes) * total_weight(s, weight));
  for_each_strip(s, [&](Index at, Index position, Index width) {
    T up[strip], sum[strip], p[strip];  // the factor of the whole bracket, a, and the probability
    for (Index i = 0; i < width; ++i) {
      const std::int64_t label = labels[position + i];
      const bool counts = label != s.ignore_index;
      up[i] = counts ? T(scale) * g[(position + i) * g_stride] : T(0);
      sum[i] = counts ? sharp * weight_of(weight, label) + smooth_sum : T(0);
    }
    const T *t = top + position, *r = rest + position;
    if (s.inner == 1) {
      if (labels[position] == s.ignore_index) {
        std::fill(dx + at, dx + at + s.classes, T(0));
        return;
      }
      const T factor = up[0] * sum[0];
      for_each_batch<T>(s.classes, [&](Index c, int count) {
        store(Batch<T>(factor) * exp(load(x + at + c, count) - Batch<T>(t[0]) - Batch<T>(r[0])), dx + at + c, count);
      });
      if (smooth != 0)
        for (Index c = 0; c < s.classes; ++c) dx[at + c] -= up[0] * smooth * weight_of(weight, c);
    } else {
      for (Index c = 0; c < s.classes; ++c) {
        const Index row = at + c * s.inner;
        const T flat = smooth * weight_of(weight, c);
        for_each_batch<T>(width, [&](Index i, int count) {
          store(exp(load(x + row + i, count) - load(t + i, count) - load(r + i, count)), p + i, count);
        });
        for (Index i = 0; i < width; ++i) {
          const T value = up[i] * (sum[i] * p[i] - flat);
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
void negative_log_likelihood(const Classes& s, const T* x, const std::int64_t* labels, const T* weight, T* loss) {
  for_each_strip(s, [&](Index at, Index position, Index width) {
    for (Index i = 0; i < width; ++i) {
      const std::int64_t label = labels[position + i];
      const T w = label != s.ignore_index ? weight_of(weight, label) : T(0);
      loss[position + i] = w != 0 ? -w * x[at + label * s.inner + i] : T(0);
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

namespace {

// Each: value(a, b), and its derivatives with respect to a and b, for batches V.
struct Squared {
  template <class V>
  V value(const V& a, const V& b) const {
    return (a - b) * (a - b);
  }
  template <class V>
  V da(const V& a, const V& b) const {
    return V(2) * (a - b);
  }
  template <class V>
  V db(const V& a, const V& b) const {
    return V(2) * (b - a);
  }
};

struct Absolute {
  template <class V>
  V value(const V& a, const V& b) const {
    return abs(a - b);
  }
  template <class V>
  V da(const V& a, const V& b) const {
    return sign(a - b);
  }
  template <class V>
  V db(const V& a, const V& b) const {
    return sign(b - a);
  }
};

// The loss with limit delta, times the factor.
struct Huber {
  double delta, factor;
  template <class V>
  V value(const V& a, const V& b) const {
    const V size = abs(a - b), limit(delta);
    return V(factor) * select(size <= limit, V(0.5) * size * size, limit * (size - V(0.5 * delta)));
  }
  template <class V>
  V da(const V& a, const V& b) const {
    return V(factor) * max(V(-delta), min(V(delta), a - b));
  }
  template <class V>
  V db(const V& a, const V& b) const {
    return da(b, a);
  }
};

struct BceWithLogits {
  // -log s(a) = log(1 + e^-|a|) + max(-a, 0), and the same for 1 - s with a for -a. A part with weight 0 counts for
  // nothing, also when it is infinite.
  template <class V>
  V value(const V& a, const V& b) const {
    const V rest = V(1) - b;
    const V low = select(b == V(0), V(0), b * max(V(0), -a)), high = select(rest == V(0), V(0), rest * max(V(0), a));
    return log1p_exp(-abs(a)) + low + high;
  }
  template <class V>
  V da(const V& a, const V& b) const {
    return sigmoid(a) - b;
  }
  template <class V>
  V db(const V& a, const V&) const {
    return -a;
  }
};

struct BinaryCrossEntropy {
  template <class V>
  V value(const V& a, const V& b) const {
    return -(b * log_of(a) + (V(1) - b) * log_of_rest(a));
  }
  template <class V>
  V da(const V& a, const V& b) const {
    return (a - b) / max(V(1e-12), a * (V(1) - a));
  }
  template <class V>
  V db(const V& a, const V&) const {
    return log_of_rest(a) - log_of(a);
  }
  template <class V>
  V log_of(const V& a) const {
    return max(V(-100), log(a));
  }
  template <class V>
  V log_of_rest(const V& a) const {
    return max(V(-100), log1p(-a));
  }
};

struct KlDivergence {
  template <class V>
  V value(const V& a, const V& b) const {
    return select(b == V(0), V(0), b * (log(b) - a));
  }
  template <class V>
  V da(const V&, const V& b) const {
    return -b;
  }
  template <class V>
  V db(const V& a, const V& b) const {
    return select(b == V(0), V(0), log(b) + V(1) - a);
  }
};

struct KlDivergenceLog {
  template <class V>
  V value(const V& a, const V& b) const {
    const V p = exp(b);
    return select(p == V(0), V(0), p * (b - a));
  }
  template <class V>
  V da(const V&, const V& b) const {
    return -exp(b);
  }
  template <class V>
  V db(const V& a, const V& b) const {
    const V p = exp(b);
    return select(p == V(0), V(0), p * (b - a + V(1)));
  }
};

template <class F>
void with_loss(PairLoss kind, double p, F&& f) {
  switch (kind) {
    case PairLoss::squared:
      return f(Squared{});
    case PairLoss::absolute:
      return f(Absolute{});
    case PairLoss::huber:
      return f(Huber{p, 1});
    case PairLoss::smooth_l1:
      return f(Huber{p, 1 / p});
    case PairLoss::bce_with_logits:
      return f(BceWithLogits{});
    case PairLoss::binary_cross_entropy:
      return f(BinaryCrossEntropy{});
    case PairLoss::kl_divergence:
      return f(KlDivergence{});
    case PairLoss::kl_divergence_log:
      return f(KlDivergenceLog{});
  }
}

constexpr Index pair_grain = elementwise_grain / 2;

}  // namespace

template <class T>
void pair_loss(PairLoss kind, double p, const T* a, const T* b, T* loss, Index n) {
  with_loss(kind, p, [&](const auto& f) {
    parallel_for(n, pair_grain, [&](Index first, Index last) {
      for_each_batch<T>(last - first, [&](Index i, int count) {
        store(f.value(load(a + first + i, count), load(b + first + i, count)), loss + first + i, count);
      });
    });
  });
}

template <class T>
double pair_loss_sum(PairLoss kind, double p, const T* a, const T* b, Index n) {
  constexpr Index block = 4096;  // elements that are summed up in T before the sum goes to double
  const Index blocks = (n + block - 1) / block;
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  with_loss(kind, p, [&](const auto& f) {
    parallel_for(blocks, pair_grain / block, [&](Index first, Index last) {
      for (Index k = first; k < last; ++k) {
        Batch<T> sum(T(0));
        T rest = 0;
        const Index start = k * block;
        for_each_batch<T>(std::min(block, n - start), [&](Index i, int count) {
          const Batch<T> value = f.value(load(a + start + i, count), load(b + start + i, count));
          if (count == Batch<T>::size)
            sum += value;
          else
            for (int lane = 0; lane < count; ++lane) rest += value[lane];
        });
        sums[static_cast<std::size_t>(k)] = sum_of(sum) + double(rest);
      }
    });
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

template <class T>
void pair_loss_backward(PairLoss kind, double p, const T* a, const T* b, const T* g, Index g_stride, double scale,
                        T* da, T* db, Index n) {
  with_loss(kind, p, [&](const auto& f) {
    parallel_for(n, pair_grain, [&](Index first, Index last) {
      const Batch<T> factor(scale), one(g[0]);
      for_each_batch<T>(last - first, [&](Index k, int count) {
        const Index i = first + k;
        const Batch<T> x = load(a + i, count), y = load(b + i, count);
        const Batch<T> up = factor * (g_stride == 0 ? one : load(g + i, count));
        if (da != nullptr) store(up * f.da(x, y), da + i, count);
        if (db != nullptr) store(up * f.db(x, y), db + i, count);
      });
    });
  });
}

#define GRADUS_INSTANTIATE(T)                                                                                       \
  template void cross_entropy(const Classes&, const T*, const std::int64_t*, const T*, T*, T*, T*);                 \
  template void cross_entropy_backward(const Classes&, const T*, const std::int64_t*, const T*, const T*, const T*, \
                                       const T*, Index, double, T*);                                                \
  template void class_targets(const Classes&, const std::int64_t*, const T*, T*, T*);                               \
  template void negative_log_likelihood(const Classes&, const T*, const std::int64_t*, const T*, T*);               \
  template void pair_loss(PairLoss, double, const T*, const T*, T*, Index);                                         \
  template double pair_loss_sum(PairLoss, double, const T*, const T*, Index);                                       \
  template void pair_loss_backward(PairLoss, double, const T*, const T*, const T*, Index, double, T*, T*, Index);   \
  template double label_weight(const Classes&, const std::int64_t*, const T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
