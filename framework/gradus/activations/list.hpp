#pragma once
// The built-in activations: a new one is its own file, included here, and one line of the list. Its name, kernels,
// registration and tests follow from it.
#include "gradus/activations/celu.hpp"
#include "gradus/activations/elu.hpp"
#include "gradus/activations/gelu.hpp"
#include "gradus/activations/gelu_tanh.hpp"
#include "gradus/activations/hard_swish.hpp"
#include "gradus/activations/identity.hpp"
#include "gradus/activations/leaky_relu.hpp"
#include "gradus/activations/mish.hpp"
#include "gradus/activations/prelu.hpp"
#include "gradus/activations/relu.hpp"
#include "gradus/activations/selu.hpp"
#include "gradus/activations/sigmoid.hpp"
#include "gradus/activations/silu.hpp"
#include "gradus/activations/softplus.hpp"
#include "gradus/activations/softshrink.hpp"
#include "gradus/activations/softsign.hpp"
#include "gradus/activations/tanh.hpp"

#define GRADUS_ACTIVATIONS(X) \
  X(CELU)                     \
  X(ELU)                      \
  X(GELU)                     \
  X(GELUTanh)                 \
  X(HardSwish)                \
  X(Identity)                 \
  X(LeakyReLU)                \
  X(Mish)                     \
  X(PReLU)                    \
  X(ReLU)                     \
  X(SELU)                     \
  X(Sigmoid)                  \
  X(SiLU)                     \
  X(Softplus)                 \
  X(Softshrink)               \
  X(Softsign)                 \
  X(Tanh)
