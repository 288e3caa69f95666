#pragma once
// make_function for the built-in activations without compiling their loops again: those are in kernels_float.cpp and
// kernels_double.cpp.
#include "gradus/activations/list.hpp"
#include "gradus/activations/make_function.hpp"

namespace gradus::activations::detail {

#define GRADUS_DECLARE(A)                                                                         \
  extern template void apply<A, float>(const A&, int, const float*, const float*, float*, Index); \
  extern template void apply<A, double>(const A&, int, const double*, const double*, double*, Index);
GRADUS_ACTIVATIONS(GRADUS_DECLARE)
#undef GRADUS_DECLARE

}  // namespace gradus::activations::detail
