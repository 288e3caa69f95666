#pragma once
// Data sets, loaders, splits and small problems.
#include "gradus/data/augment.hpp"
#include "gradus/data/cifar.hpp"
#include "gradus/data/csv.hpp"
#include "gradus/data/dataset.hpp"
#include "gradus/data/digits.hpp"
#include "gradus/data/graph.hpp"
#include "gradus/data/idx.hpp"
#include "gradus/data/loader.hpp"
#include "gradus/data/npz.hpp"
#include "gradus/data/png.hpp"
#include "gradus/data/standardize.hpp"
#include "gradus/data/synthetic.hpp"
