#include "gradus/kernels/linear.hpp"

#include <algorithm>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/blas.hpp"
#include "gradus/kernels/broadcast.hpp"

namespace gradus::kernels {

template <class T>
void linear(const T* x, const T* weight, const T* bias, T* y, Index rows, Index in, Index out) {
  // BLAS adds to what is there. A product that overwrites would fill y with zeros first, so the bias costs nothing.
  if (bias != nullptr)
    parallel_for(rows, std::max<Index>(1, elementwise_grain / std::max<Index>(out, 1)), [&](Index first, Index last) {
      for (Index r = first; r < last; ++r) std::copy(bias, bias + out, y + r * out);
    });
  gemm(false, true, rows, out, in, x, weight, bias != nullptr ? T(1) : T(0), y);
}

template void linear(const float*, const float*, const float*, float*, Index, Index, Index);
template void linear(const double*, const double*, const double*, double*, Index, Index, Index);

}  // namespace gradus::kernels
