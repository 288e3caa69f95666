// The loops of the built-in activations over double.
#include "gradus/activations/list.hpp"
#include "gradus/activations/make_function.hpp"

namespace gradus::activations::detail {

#define GRADUS_INSTANTIATE(A) \
  template void apply<A, double>(const A&, int, const double*, const double*, double*, Index);
GRADUS_ACTIVATIONS(GRADUS_INSTANTIATE)

}  // namespace gradus::activations::detail
