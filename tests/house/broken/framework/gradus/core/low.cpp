#include "gradus/core/low.hpp"

#include <fmt/format.h>

#  include <gradus/report/table.hpp>  // bad
