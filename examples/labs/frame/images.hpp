#pragma once
// Real images for labs that train something small.
#include <string>

#include <gradus/data/dataset.hpp>

#include "lab.hpp"

namespace lab {

struct Images {
  gradus::data::Dataset train, test;  // x (n, pixels), shifted and scaled by the numbers of the training part
  std::string name;                   // "MNIST" or "the built-in digits"
};

// The first samples of MNIST's two parts; where --data does not have it (which is said), so many of the built-in digits at most.
Images images(Run& run, gradus::Index train, gradus::Index test);

}  // namespace lab
