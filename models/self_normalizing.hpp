#pragma once
#include <vector>

#include "gradus/nn/sequential.hpp"

namespace gradus::models {

struct SelfNormalizingOptions {
  std::vector<Index> hidden = {128, 128, 128, 128};  ///< width of each hidden layer
  double dropout = 0;                                ///< of nn::AlphaDropout, after each activation
};

/// A self-normalising network (Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", 2017):
///
///   Flatten - (Linear - SELU - [AlphaDropout])* - Linear
///
/// Weights start normal with variance 1 / fan_in (LeCun et al. 1998) and biases at 0, so that inputs of mean 0 and
/// variance 1 stay so from layer to layer. This holds for SELU alone; for other activations see mlp. x: (N, ...) with
/// `inputs` numbers a sample, standardised -> (N, outputs).
nn::Sequential self_normalizing(Index inputs, Index outputs, const SelfNormalizingOptions& options = {});

}  // namespace gradus::models
