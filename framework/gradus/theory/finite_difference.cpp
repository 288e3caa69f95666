#include "gradus/theory/finite_difference.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/theory/quadrature.hpp"

namespace gradus::theory {

DifferenceError forward_difference_error(const activations::Function& f, double x, double h) {
  if (!(h > 0) || !std::isfinite(h) || !std::isfinite(x))
    failf("forward_difference_error", "a step of {} at {}; the step must be positive, both finite", h, x);
  const double slope = f(1, x), leading = 0.5 * h * f(2, x);
  std::vector<double> cuts{0, 1};  // of t / h
  for (const double kink : f.traits().kinks)
    if (kink > x && kink < x + h) cuts.push_back((kink - x) / h);
  std::sort(cuts.begin(), cuts.end());
  return {integrate([&](double t) { return f(1, x + t * h) - slope; }, cuts), leading};
}

}  // namespace gradus::theory
