#pragma once
// For source files only.
#include <fmt/format.h>
