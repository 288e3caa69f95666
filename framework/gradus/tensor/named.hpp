#pragma once
// Tensors with names, in order: the parameters of a model, the state of an optimiser, the content of a file.
#include <string>
#include <utility>
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

}  // namespace gradus
