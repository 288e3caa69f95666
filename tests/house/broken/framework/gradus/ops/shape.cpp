#include "gradus/autograd/record.hpp"
#include "gradus/kernels/movement.hpp"
#include "gradus/nn/module.hpp"  // bad
#include "gradus/tensor.hpp"  // bad
