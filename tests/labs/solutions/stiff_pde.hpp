#pragma once
#include <cmath>
#include <functional>

#include "../../../examples/labs/frame/exercise.hpp"

namespace exercise {

inline double error_left_of_kink(double x, double h) { return std::exp(x) * (std::expm1(h) / h - 1); }

inline double error_across_kink(double x, double h) { return (x + h - std::expm1(x)) / h - std::exp(x); }

inline double better_difference(const std::function<double(double)>& f, double x, double h) { return (f(x + h) - f(x - h)) / (2 * h); }

inline double flat_at_zero(double x) { return x + std::pow(x, 4); }

}  // namespace exercise
