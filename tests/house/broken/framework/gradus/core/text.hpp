#pragma once
#include "gradus/core/format.hpp"  // bad
