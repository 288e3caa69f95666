#pragma once
#include <xtensor/xarray.hpp>
#include <xtensor/xmath.hpp>  // bad
