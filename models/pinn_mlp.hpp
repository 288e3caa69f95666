#pragma once
#include <string>
#include <vector>

#include "gradus/nn/sequential.hpp"

namespace gradus::models {

struct PinnMlpOptions {
  std::vector<Index> hidden = {32, 32, 32};  ///< width of each hidden layer
  std::string activation = "tanh";           ///< any name that nn::activation knows; a smooth one
};

/// A function of coordinates that differential equations are asked of (Raissi, Perdikaris, Karniadakis,
/// "Physics-informed neural networks", 2019):
///
///   (Linear - activation)* - Linear
///
/// Weights start normal with Glorot's variance 2 / (fan_in + fan_out) and biases at 0, as there. The equation's
/// derivatives are taken with grad(u, x, {.create_graph = true}), and again of the result; an activation without
/// curvature (relu) has nothing to give to a second one. x: (N, inputs), best scaled to [-1, 1] -> (N, outputs).
nn::Sequential pinn_mlp(Index inputs, Index outputs, const PinnMlpOptions& options = {});

}  // namespace gradus::models
