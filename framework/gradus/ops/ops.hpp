#pragma once
// All differentiable operations.
#include "gradus/ops/activation.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/index.hpp"
#include "gradus/ops/linalg.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/ops/softmax.hpp"
