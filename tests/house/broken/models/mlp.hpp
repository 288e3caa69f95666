#pragma once
#include "gradus/nn/linear.hpp"
#include "gradus/train/fit.hpp"  // bad
#include "models/lenet.hpp"
