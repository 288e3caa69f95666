#include "gradus/theory/quadrature.hpp"

#include <cmath>
#include <numbers>

namespace gradus::theory {
namespace {

struct Rule {
  double value = 0, magnitude = 0;
};

Rule apply(const std::function<double(double)>& f, double a, double b) {
  static const GaussLegendre rule(20);
  const double middle = 0.5 * (a + b), half = 0.5 * (b - a);
  Rule result;
  for (std::size_t i = 0; i < rule.nodes.size(); ++i) {
    const double term = rule.weights[i] * half * f(middle + half * rule.nodes[i]);
    result.value += term;
    result.magnitude += std::abs(term);
  }
  return result;
}

// Neumaier's compensated sum: many small intervals must not add up their rounding.
struct Total {
  double sum = 0, lost = 0;
  void add(double x) {
    const double t = sum + x;
    lost += std::abs(sum) >= std::abs(x) ? (sum - t) + x : (x - t) + sum;
    sum = t;
  }
  double value() const { return sum + lost; }
};

void refine(const std::function<double(double)>& f, double a, double b, const Rule& whole, double allowed, int depth, Total& total) {
  const double middle = 0.5 * (a + b);
  const Rule left = apply(f, a, middle), right = apply(f, middle, b);
  if (depth == 0 || !(std::abs(left.value + right.value - whole.value) > allowed)) {
    total.add(left.value);
    total.add(right.value);
    return;
  }
  refine(f, a, middle, left, allowed, depth - 1, total);
  refine(f, middle, b, right, allowed, depth - 1, total);
}

}  // namespace

GaussLegendre::GaussLegendre(int n) : nodes(std::size_t(n)), weights(std::size_t(n)) {
  for (int i = 0; i < n; ++i) {
    double x = std::cos(std::numbers::pi * (i + 0.75) / (n + 0.5));  // close to the i-th zero, counted from the right
    double slope = 1;
    for (int iteration = 0; iteration < 100; ++iteration) {
      double p = 1, before = 0;  // P_k and P_{k-1}, by (k+1) P_{k+1} = (2k+1) x P_k - k P_{k-1}
      for (int k = 0; k < n; ++k) {
        const double next = ((2 * k + 1) * x * p - k * before) / (k + 1);
        before = p;
        p = next;
      }
      slope = n * (x * p - before) / (x * x - 1);
      const double step = p / slope;
      x -= step;
      if (std::abs(step) < 1e-16) break;
    }
    nodes[std::size_t(i)] = x;
    weights[std::size_t(i)] = 2 / ((1 - x * x) * slope * slope);
  }
}

double integrate(const std::function<double(double)>& f, const std::vector<double>& cuts, const QuadratureOptions& options) {
  std::vector<Rule> first;
  double magnitude = 0;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    first.push_back(apply(f, cuts[i], cuts[i + 1]));
    magnitude += first.back().magnitude;
  }
  Total total;
  for (std::size_t i = 0; i < first.size(); ++i)
    refine(f, cuts[i], cuts[i + 1], first[i], options.rtol * magnitude, options.max_depth, total);
  return total.value();
}

}  // namespace gradus::theory
