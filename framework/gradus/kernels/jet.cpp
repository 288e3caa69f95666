#include "gradus/kernels/jet.hpp"

#include <algorithm>

#include "gradus/core/parallel.hpp"

namespace gradus::kernels {
namespace {

// As many numbers at a time as stay in the first cache with all that is computed of them, and few enough for the arrays
// of a block not to get into each other's way there: larger ones took a fifth more.
template <class T>
constexpr Index block = 512 / sizeof(T);
// The smallest number worth a second thread.
constexpr Index grain = 8192;

// Arrays do not overlap, which the loops below are told: the compiler would have to check too many pairs.

// body(first, count) for blocks of [0, n)
template <class T, class Body>
void for_blocks(Index n, Body&& body) {
  parallel_for(n, grain, [&](Index first, Index last) {
    for (; first < last; first += block<T>) body(first, std::min(block<T>, last - first));
  });
}

}  // namespace

template <class T>
void activate_jet(const activations::Function& f, Index directions, Index n, const T* z, const T* j, T* out) {
  for_blocks<T>(n, [&](Index first, Index count) {
    alignas(64) T slope[block<T>], curvature[block<T>], squares[block<T>] = {};
    f.evaluate(1, z + first, slope, count);
    f.evaluate(2, z + first, curvature, count);
    for (Index d = 0; d < directions; ++d) {
      const T* from = j + d * n + first;
      T* to = out + d * n + first;
#pragma GCC ivdep
      for (Index i = 0; i < count; ++i) {
        to[i] = slope[i] * from[i];
        squares[i] += from[i] * from[i];
      }
    }
    const T* from = j + directions * n + first;
    T* to = out + directions * n + first;
#pragma GCC ivdep
    for (Index i = 0; i < count; ++i) to[i] = slope[i] * from[i] + curvature[i] * squares[i];
  });
}

template <class T>
void activate_jet_backward(const activations::Function& f, Index directions, Index n, const T* z, const T* j,
                           const T* g, T* dz, T* dj) {
  for_blocks<T>(n, [&](Index first, Index count) {
    alignas(64) T slope[block<T>], curvature[block<T>], third[block<T>], squares[block<T>] = {},
                                                                         products[block<T>] = {};
    f.evaluate(1, z + first, slope, count);
    f.evaluate(2, z + first, curvature, count);
    f.evaluate(3, z + first, third, count);
    const Index end = directions * n + first;
    const T *last_j = j + end, *last_g = g + end;
    for (Index d = 0; d < directions; ++d) {
      const T *from = j + d * n + first, *up = g + d * n + first;
      T* to = dj + d * n + first;
#pragma GCC ivdep
      for (Index i = 0; i < count; ++i) {
        to[i] = slope[i] * up[i] + 2 * curvature[i] * last_g[i] * from[i];
        squares[i] += from[i] * from[i];
        products[i] += up[i] * from[i];
      }
    }
    T *to = dj + end, *to_z = dz + first;
#pragma GCC ivdep
    for (Index i = 0; i < count; ++i) {
      to[i] = slope[i] * last_g[i];
      to_z[i] = curvature[i] * (products[i] + last_g[i] * last_j[i]) + third[i] * last_g[i] * squares[i];
    }
  });
}

#define GRADUS_INSTANTIATE(T)                                                                     \
  template void activate_jet(const activations::Function&, Index, Index, const T*, const T*, T*); \
  template void activate_jet_backward(const activations::Function&, Index, Index, const T*, const T*, const T*, T*, T*);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
