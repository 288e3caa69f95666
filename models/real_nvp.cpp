#include "gradus/models/real_nvp.hpp"

#include "gradus/core/format.hpp"

namespace gradus::models {

nn::FlowSequence real_nvp(Index features, const RealNvpOptions& options) {
  if (features < 2)
    failf("real_nvp", "{} features; at least 2 are needed, one to change and one to depend on", features);
  if (options.couplings < 1) failf("real_nvp", "{} couplings; at least 1 is needed", options.couplings);
  nn::FlowSequence flow;
  for (Index i = 0; i < options.couplings; ++i) {
    if (i > 0)
      flow.push_back(options.generator ? nn::Permutation::random(features, *options.generator)
                                       : nn::Permutation::reversal(features));
    flow.push_back(nn::AffineCoupling{
        features, {.hidden = options.hidden, .activation = options.activation, .bound = options.bound}});
  }
  return flow;
}

}  // namespace gradus::models
