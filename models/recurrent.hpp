#pragma once
#include <string>

#include "gradus/nn/recurrent.hpp"
#include "gradus/nn/sequential.hpp"

namespace gradus::models {

struct RecurrentOptions {
  std::string cell = "gru";  ///< "elman", "gru" or "lstm"
  Index hidden = 64;         ///< width of the state
  Index layers = 1;          ///< recurrent layers, one on the other
  double dropout = 0;        ///< between them
  std::string activation =
      "tanh";  ///< of an elman network, any name that nn::activation knows; the gated have their own
  nn::RecurrentInit recurrent_init = nn::RecurrentInit::pytorch;  ///< how the recurrent weights start
};

/// A sequence read from its first step to its last, and one answer at the end:
///
///   recurrent layers - output of the last step - Linear
///
/// with the cells of Elman, "Finding structure in time", 1990 (nn::RNN), Cho et al. 2014 (nn::GRU) or Hochreiter and
/// Schmidhuber, "Long short-term memory", 1997 (nn::LSTM). x: (N, length, inputs), length >= 1 -> (N, outputs): classes
/// for nn::cross_entropy, or numbers for nn::mse_loss. State: "0." as the recurrent layers have it, "2.weight",
/// "2.bias".
nn::Sequential recurrent(Index inputs, Index outputs, const RecurrentOptions& options = {});

}  // namespace gradus::models
