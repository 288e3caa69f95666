// The loops of the built-in activations over float.
#include "gradus/activations/list.hpp"
#include "gradus/activations/make_function.hpp"

namespace gradus::activations::detail {

#define GRADUS_INSTANTIATE(A) template void apply<A, float>(const A&, int, const float*, const float*, float*, Index);
GRADUS_ACTIVATIONS(GRADUS_INSTANTIATE)

}  // namespace gradus::activations::detail
