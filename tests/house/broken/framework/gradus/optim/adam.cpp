#include "gradus/autograd/mode.hpp"
#include "gradus/autograd/record.hpp"  // bad
#include "gradus/ops/ops.hpp"  // bad
