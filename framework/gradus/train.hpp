#pragma once
// Metrics and the training loop.
#include "gradus/train/checkpoint.hpp"
#include "gradus/train/fit.hpp"
#include "gradus/train/metrics.hpp"
