#pragma once
// Numerical integration.
#include <cstddef>
#include <functional>
#include <vector>

namespace gradus::theory {

struct QuadratureOptions {
  double rtol = 2e-15;               ///< wanted: |error| <= rtol times the integral of |f|
  std::size_t max_intervals = 1000;  ///< where halving ends, e.g. because rounding in f is larger than rtol; 64 times
                                     ///< as many while an interval's error is above 1e-9 of the integral of |f|
};

/// The integral of f from cuts.front() to cuts.back(), f smooth between neighbouring cuts (sorted). Adaptive: each
/// interval is compared, by Gauss-Legendre rules of 20 points, with its two halves, and the worst one is halved, until
/// all agree. NaN or infinite where f is. Throws when the cuts are not sorted.
double integrate(const std::function<double(double)>& f, const std::vector<double>& cuts,
                 const QuadratureOptions& options = {});

/// Nodes on [-1, 1], falling, and weights of the n-point Gauss-Legendre rule, by Newton's method on the Legendre
/// polynomial; right to the last place of double. Throws for n < 1.
struct GaussLegendre {
  explicit GaussLegendre(int n);
  std::vector<double> nodes, weights;
};

}  // namespace gradus::theory
