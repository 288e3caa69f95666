#pragma once
#include <string>
#include <vector>

#include "gradus/nn/sequential.hpp"

namespace gradus::models {

struct MlpOptions {
  std::vector<Index> hidden = {128};   ///< width of each hidden layer
  std::string activation = "relu";     ///< any name that nn::activation knows
  double dropout = 0;                  ///< after each activation
  bool batch_norm = false;             ///< before each activation
};

/// Flatten - (Linear - [BatchNorm] - activation - [Dropout])* - Linear.   x: (N, ...) with `inputs` numbers a sample -> (N, outputs).
nn::Sequential mlp(Index inputs, Index outputs, const MlpOptions& options = {});

}  // namespace gradus::models
