#pragma once
#include <nlohmann/json.hpp>  // bad

#include "gradus/activations/elu.hpp"
#include "gradus/tensor/tensor.hpp"  // bad
