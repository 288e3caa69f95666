#pragma once
// Tensors, their operations and their derivatives: what most programs need besides nn and optim.
#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/gradcheck.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/core/error.hpp"
#include "gradus/core/generator.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "gradus/tensor/print.hpp"
#include "gradus/tensor/tensor.hpp"
