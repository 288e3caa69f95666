#pragma once
// Optimisers and learning-rate schedules.
#include "gradus/optim/adam.hpp"
#include "gradus/optim/lbfgs.hpp"
#include "gradus/optim/optimizer.hpp"
#include "gradus/optim/rmsprop.hpp"
#include "gradus/optim/schedule.hpp"
#include "gradus/optim/sgd.hpp"
