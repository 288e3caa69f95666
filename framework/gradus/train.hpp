#pragma once
// Metrics, the training loop, private training, and kernel densities to compare with.
#include "gradus/train/checkpoint.hpp"
#include "gradus/train/fit.hpp"
#include "gradus/train/kernel_density.hpp"
#include "gradus/train/metrics.hpp"
#include "gradus/train/private.hpp"
