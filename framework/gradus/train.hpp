#pragma once
// Metrics, the training loop, and kernel densities to compare with.
#include "gradus/train/checkpoint.hpp"
#include "gradus/train/fit.hpp"
#include "gradus/train/kernel_density.hpp"
#include "gradus/train/metrics.hpp"
