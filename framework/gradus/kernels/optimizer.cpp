#include "gradus/kernels/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradus/core/parallel.hpp"

namespace gradus::kernels {
namespace {

// Square roots and divisions make an element dearer than an addition.
constexpr Index grain = 16384;
// Work is cut within a piece only at multiples of this, so that each element meets the same vector or scalar
// instructions whatever the number of threads.
constexpr Index block = 1024;

// Calls body(piece, first, last) for ranges that cover every element of every piece once.
template <class Piece, class Body>
void for_each_range(std::span<const Piece> pieces, Body body) {
  Index total = 0;
  for (const Piece& piece : pieces) total += piece.n;
  if (total <= grain || pieces.size() == 1) {
    for (const Piece& piece : pieces) {
      const Index blocks = (piece.n + block - 1) / block;
      parallel_for(blocks, grain / block,
                   [&](Index first, Index last) { body(piece, first * block, std::min(last * block, piece.n)); });
    }
    return;
  }
  std::vector<Index> start(pieces.size());
  for (std::size_t i = 0, at = 0; i < pieces.size(); at += std::size_t(pieces[i++].n)) start[i] = Index(at);
  parallel_for(total, grain, [&](Index first, Index last) {
    // Both ends are rounded down to a block of the piece they fall into: neighbours agree about the border.
    const auto round_down = [&](std::size_t i, Index position) {
      return std::clamp<Index>((position - start[i]) / block * block, 0, pieces[i].n);
    };
    std::size_t i = std::size_t(std::upper_bound(start.begin(), start.end(), first) - start.begin()) - 1;
    for (; i < pieces.size() && start[i] < last; ++i) {
      const Index from = first <= start[i] ? 0 : round_down(i, first);
      const Index to = last >= start[i] + pieces[i].n ? pieces[i].n : round_down(i, last);
      if (from < to) body(pieces[i], from, to);
    }
  });
}

template <class T, bool Buffer, bool Decay>
void sgd_pieces(std::span<const SgdPiece<T>> pieces, const SgdScalars& s) {
  const T sign = s.maximize ? T(-1) : T(1), decay = T(s.weight_decay), step = T(-s.lr);
  const T momentum = T(s.momentum);
  for_each_range(pieces, [&](const SgdPiece<T>& piece, Index first, Index last) {
    T* const p = piece.parameter;
    const T* const g = piece.gradient;
    T* const b = piece.buffer;
    const auto direction = [&](Index i) {
      T d = sign * g[i];
      if constexpr (Decay) d += decay * p[i];
      return d;
    };
    if constexpr (Buffer) {
      const T take = T(1 - s.dampening);
      const auto run = [&](auto buffer_of) {
        if (s.nesterov) {
#pragma GCC ivdep
          for (Index i = first; i < last; ++i) {
            const T d = direction(i);
            const T moving = buffer_of(i, d);
            b[i] = moving;
            p[i] += step * (d + momentum * moving);
          }
        } else {
#pragma GCC ivdep
          for (Index i = first; i < last; ++i) {
            const T moving = buffer_of(i, direction(i));
            b[i] = moving;
            p[i] += step * moving;
          }
        }
      };
      if (piece.first)
        run([](Index, T d) { return d; });
      else
        run([&](Index i, T d) { return momentum * b[i] + take * d; });
    } else {
#pragma GCC ivdep
      for (Index i = first; i < last; ++i) p[i] += step * direction(i);
    }
  });
}

template <class T, bool Amsgrad, bool L2>
void adam_pieces(std::span<const AdamPiece<T>> pieces, const AdamScalars& s) {
  const T sign = s.maximize ? T(-1) : T(1);
  const T keep = T(1 - s.lr * s.decay), l2 = T(s.l2), eps = T(s.eps);
  const T beta1 = T(s.beta1), beta2 = T(s.beta2), take1 = T(1 - s.beta1), take2 = T(1 - s.beta2);
  for_each_range(pieces, [&](const AdamPiece<T>& piece, Index first, Index last) {
    T* const p = piece.parameter;
    const T* const g = piece.gradient;
    T* const m = piece.mean;
    T* const v = piece.square;
    T* const top = piece.largest;
    const T step = T(-s.lr / piece.correction_mean);
    const T scale = T(1 / std::sqrt(piece.correction_square));
#pragma GCC ivdep
    for (Index i = first; i < last; ++i) {
      const T old = p[i] * keep;
      T d = sign * g[i];
      if constexpr (L2) d += l2 * p[i];
      const T mean = beta1 * m[i] + take1 * d;
      const T square = beta2 * v[i] + take2 * d * d;
      m[i] = mean;
      v[i] = square;
      T used = square;
      if constexpr (Amsgrad) {
        used = top[i] >= square ? top[i] : square;
        used = top[i] != top[i] ? top[i] : used;  // a NaN stays
        top[i] = used;
      }
      p[i] = old + step * (mean / (std::sqrt(used) * scale + eps));
    }
  });
}

template <class T, bool Centred, bool Buffer>
void rmsprop_pieces(std::span<const RmspropPiece<T>> pieces, const RmspropScalars& s) {
  const T sign = s.maximize ? T(-1) : T(1), step = T(-s.lr), eps = T(s.eps);
  const T alpha = T(s.alpha), take = T(1 - s.alpha), momentum = T(s.momentum), decay = T(s.weight_decay);
  const bool decays = s.weight_decay != 0;
  for_each_range(pieces, [&](const RmspropPiece<T>& piece, Index first, Index last) {
    T* const p = piece.parameter;
    const T* const g = piece.gradient;
    T* const v = piece.square;
    T* const m = piece.mean;
    T* const b = piece.buffer;
#pragma GCC ivdep
    for (Index i = first; i < last; ++i) {
      const T d = sign * g[i] + (decays ? decay * p[i] : T(0));
      const T square = alpha * v[i] + take * d * d;
      v[i] = square;
      T variance = square;
      if constexpr (Centred) {
        const T mean = alpha * m[i] + take * d;
        m[i] = mean;
        variance = square - mean * mean;
        variance = variance < 0 ? T(0) : variance;
      }
      T update = d / (std::sqrt(variance) + eps);
      if constexpr (Buffer) {
        update += momentum * b[i];
        b[i] = update;
      }
      p[i] += step * update;
    }
  });
}

}  // namespace

template <class T>
void sgd(std::span<const SgdPiece<T>> pieces, const SgdScalars& s) {
  const bool decays = s.weight_decay != 0;
  if (s.momentum != 0)
    decays ? sgd_pieces<T, true, true>(pieces, s) : sgd_pieces<T, true, false>(pieces, s);
  else
    decays ? sgd_pieces<T, false, true>(pieces, s) : sgd_pieces<T, false, false>(pieces, s);
}

template <class T>
void adam(std::span<const AdamPiece<T>> pieces, const AdamScalars& s) {
  const bool amsgrad = !pieces.empty() && pieces.front().largest != nullptr;
  const bool l2 = s.l2 != 0;
  if (amsgrad)
    l2 ? adam_pieces<T, true, true>(pieces, s) : adam_pieces<T, true, false>(pieces, s);
  else
    l2 ? adam_pieces<T, false, true>(pieces, s) : adam_pieces<T, false, false>(pieces, s);
}

template <class T>
void rmsprop(std::span<const RmspropPiece<T>> pieces, const RmspropScalars& s) {
  const bool centred = !pieces.empty() && pieces.front().mean != nullptr;
  const bool buffer = !pieces.empty() && pieces.front().buffer != nullptr;
  if (centred)
    buffer ? rmsprop_pieces<T, true, true>(pieces, s) : rmsprop_pieces<T, true, false>(pieces, s);
  else
    buffer ? rmsprop_pieces<T, false, true>(pieces, s) : rmsprop_pieces<T, false, false>(pieces, s);
}

template <class T>
void adagrad(std::span<const AdagradPiece<T>> pieces, const AdagradScalars& s) {
  const T sign = s.maximize ? T(-1) : T(1), eps = T(s.eps), decay = T(s.weight_decay);
  const bool decays = s.weight_decay != 0;
  for_each_range(pieces, [&](const AdagradPiece<T>& piece, Index first, Index last) {
    T* const p = piece.parameter;
    const T* const g = piece.gradient;
    T* const sum = piece.sum;
    const T step = T(-piece.lr);
#pragma GCC ivdep
    for (Index i = first; i < last; ++i) {
      const T d = sign * g[i] + (decays ? decay * p[i] : T(0));
      const T total = sum[i] + d * d;
      sum[i] = total;
      p[i] += step * (d / (std::sqrt(total) + eps));
    }
  });
}

template <class T>
void lion(std::span<const LionPiece<T>> pieces, const LionScalars& s) {
  const T sign = s.maximize ? T(-1) : T(1), lr = T(s.lr), keep = T(1 - s.lr * s.decay);
  const T beta1 = T(s.beta1), beta2 = T(s.beta2), take1 = T(1 - s.beta1), take2 = T(1 - s.beta2);
  for_each_range(pieces, [&](const LionPiece<T>& piece, Index first, Index last) {
    T* const p = piece.parameter;
    const T* const g = piece.gradient;
    T* const m = piece.mean;
#pragma GCC ivdep
    for (Index i = first; i < last; ++i) {
      const T d = sign * g[i], mixed = beta1 * m[i] + take1 * d;
      T step = mixed > 0 ? lr : T(0);
      step = mixed < 0 ? -lr : step;
      step = mixed != mixed ? mixed : step;
      p[i] = p[i] * keep - step;
      m[i] = beta2 * m[i] + take2 * d;
    }
  });
}

#define GRADUS_INSTANTIATE(T)                                                     \
  template void sgd(std::span<const SgdPiece<T>>, const SgdScalars&);             \
  template void adam(std::span<const AdamPiece<T>>, const AdamScalars&);          \
  template void lion(std::span<const LionPiece<T>>, const LionScalars&);          \
  template void rmsprop(std::span<const RmspropPiece<T>>, const RmspropScalars&); \
  template void adagrad(std::span<const AdagradPiece<T>>, const AdagradScalars&);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)
#undef GRADUS_INSTANTIATE

}  // namespace gradus::kernels
