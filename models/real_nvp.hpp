#pragma once
#include <string>
#include <vector>

#include "gradus/nn/flow.hpp"

namespace gradus::models {

struct RealNvpOptions {
  Index couplings = 6;                   ///< how many
  std::vector<Index> hidden = {64, 64};  ///< widths of each conditioner's hidden layers
  std::string activation = "relu";       ///< any name that nn::activation knows
  double bound = 2;                      ///< |log scale| of a coupling stays below this
  Generator* generator = nullptr;        ///< permutations are drawn from here; default: they reverse the order
};

/// AffineCoupling - (Permutation - AffineCoupling)*, the identity up to the permutations at the start (Dinh,
/// Sohl-Dickstein, Bengio, "Density estimation using Real NVP", 2017, section 3.5). x: (N, features), at least 2, ->
/// (N, features). Every feature is changed where there are two couplings or more and the permutations are reversals.
nn::FlowSequence real_nvp(Index features, const RealNvpOptions& options = {});

}  // namespace gradus::models
