#pragma once
// Numerical integration.
#include <functional>
#include <vector>

namespace gradus::theory {

struct QuadratureOptions {
  double rtol = 2e-15;   ///< wanted: |error| <= rtol times the integral of |f|
  int max_depth = 40;    ///< how often an interval may be halved
};

/// The integral of f from cuts.front() to cuts.back(), f smooth between neighbouring cuts (sorted). Adaptive: each interval is compared,
/// by Gauss-Legendre rules of 20 points, with its two halves, and halved further where they differ.
double integrate(const std::function<double(double)>& f, const std::vector<double>& cuts, const QuadratureOptions& options = {});

/// Nodes on [-1, 1] and weights of the n-point Gauss-Legendre rule, by Newton's method on the Legendre polynomial.
struct GaussLegendre {
  explicit GaussLegendre(int n);
  std::vector<double> nodes, weights;
};

}  // namespace gradus::theory
