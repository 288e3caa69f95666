#pragma once
#include <vector>

#include "gradus/core/shape.hpp"
#include "gradus/tensor/tensor.hpp"  // bad
#include <fmt/format.h>  // bad
