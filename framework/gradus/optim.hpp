#pragma once
// Optimisers, learning-rate schedules and averages of weights.
#include "gradus/optim/adam.hpp"
#include "gradus/optim/dp_sgd.hpp"
#include "gradus/optim/ema.hpp"
#include "gradus/optim/lbfgs.hpp"
#include "gradus/optim/lion.hpp"
#include "gradus/optim/optimizer.hpp"
#include "gradus/optim/rmsprop.hpp"
#include "gradus/optim/schedule.hpp"
#include "gradus/optim/sgd.hpp"
