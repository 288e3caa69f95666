#include "gradus/kernels/linear.hpp"

#include "gradus/kernels/blas.hpp"

namespace gradus::kernels {

template <class T>
void linear(const T* x, const T* weight, const T* bias, T* y, Index rows, Index in, Index out) {
  if (bias != nullptr)
    gemm_with_row(false, true, rows, out, in, x, weight, bias, y);
  else
    gemm(false, true, rows, out, in, x, weight, T(0), y);
}

template void linear(const float*, const float*, const float*, float*, Index, Index, Index);
template void linear(const double*, const double*, const double*, double*, Index, Index, Index);

}  // namespace gradus::kernels
