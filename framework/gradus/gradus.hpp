#pragma once
// Everything. Programs that care for compile time include the rooms they use: gradus/tensor.hpp, gradus/nn.hpp, gradus/optim.hpp, ...
#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gradus/autograd/anomaly.hpp"
#include "gradus/autograd/checkpoint.hpp"
#include "gradus/autograd/jacobian.hpp"
#include "gradus/autograd/tape.hpp"
#include "gradus/data.hpp"
#include "gradus/nn.hpp"
#include "gradus/optim.hpp"
#include "gradus/tensor.hpp"
#include "gradus/tensor/interop.hpp"
#include "gradus/tensor/npy.hpp"
#include "gradus/tensor/safetensors.hpp"
#include "gradus/theory.hpp"
#include "gradus/train.hpp"
