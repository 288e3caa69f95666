#pragma once
#include <cblas.h>  // bad
#include <xtensor/xarray.hpp>  // bad

#include "gradus/activations/elu.hpp"
#include "gradus/autograd/node.hpp"  // bad
