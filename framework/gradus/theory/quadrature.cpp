#include "gradus/theory/quadrature.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "gradus/core/format.hpp"

namespace gradus::theory {
namespace {

struct Rule {
  double value = 0, magnitude = 0;
};

Rule apply(const std::function<double(double)>& f, double a, double b) {
  static const GaussLegendre rule(20);
  const double middle = 0.5 * (a + b), half = 0.5 * (b - a);
  // Added up in the wider type: where large values of both signs leave a small sum, rounding would show.
  long double value = 0, magnitude = 0;
  for (std::size_t i = 0; i < rule.nodes.size(); ++i) {
    const long double term = static_cast<long double>(rule.weights[i]) * f(middle + half * rule.nodes[i]);
    value += term;
    magnitude += std::abs(term);
  }
  return {double(value * half), double(magnitude * std::abs(half))};
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

// An interval by its two halves; `error` is how far their sum is from the rule over the whole.
struct Interval {
  double a, b;
  Rule left, right;
  double error;
};

Interval halved(const std::function<double(double)>& f, double a, double b, const Rule& whole) {
  const double middle = 0.5 * (a + b);
  const Rule left = apply(f, a, middle), right = apply(f, middle, b);
  return {a, b, left, right, std::abs(left.value + right.value - whole.value)};
}

}  // namespace

GaussLegendre::GaussLegendre(int n) {
  if (n < 1) failf("GaussLegendre", "a rule of {} points; at least 1 is needed", n);
  nodes.resize(std::size_t(n));
  weights.resize(std::size_t(n));
  // In the wider type, so that what is rounded to double is right to its last place.
  using Wide = long double;
  const auto legendre = [n](Wide x) {
    Wide p = 1, before = 0;  // P_k and P_{k-1}, by (k+1) P_{k+1} = (2k+1) x P_k - k P_{k-1}
    for (int k = 0; k < n; ++k) {
      const Wide next = ((2 * k + 1) * x * p - k * before) / (k + 1);
      before = p;
      p = next;
    }
    return std::pair{p, n * (x * p - before) / (x * x - 1)};  // P_n and its slope
  };
  for (int i = 0; i < (n + 1) / 2; ++i) {
    const bool middle = 2 * i + 1 == n;  // by symmetry at 0
    Wide x =
        middle
            ? 0
            : std::cos(std::numbers::pi_v<Wide> * (i + 0.75L) / (n + 0.5L));  // close to the i-th zero from the right
    for (int iteration = 0; iteration < 20 && !middle; ++iteration) {
      const auto [p, slope] = legendre(x);
      x -= p / slope;
      if (std::abs(p / slope) < 1e-18L) break;
    }
    const Wide slope = legendre(x).second;
    nodes[std::size_t(i)] = double(x);
    nodes[std::size_t(n - 1 - i)] = -double(x);
    weights[std::size_t(i)] = weights[std::size_t(n - 1 - i)] = double(2 / ((1 - x * x) * slope * slope));
  }
  if (n % 2 == 1) nodes[std::size_t(n / 2)] = 0;
}

double integrate(const std::function<double(double)>& f, const std::vector<double>& cuts,
                 const QuadratureOptions& options) {
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
    if (!(cuts[i] <= cuts[i + 1]))
      failf("integrate", "the cuts {} and {} are in the wrong order", cuts[i], cuts[i + 1]);
  std::vector<Rule> first;
  double magnitude = 0;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    first.push_back(apply(f, cuts[i], cuts[i + 1]));
    magnitude += first.back().magnitude;
  }
  // The worst interval first. Where f itself is known to fewer digits than are wanted, halving ends by the count; many
  // fast waves may need more, and show by errors that rounding does not make, in intervals that are not all but points.
  const double allowed = options.rtol * magnitude, rough = 1e-9 * magnitude;
  const auto enough = [&](const Interval& worst, std::size_t intervals) {
    const bool waves = worst.error > rough && worst.b - worst.a > 1e-15 * (cuts.back() - cuts.front());
    return intervals >= options.max_intervals * (waves ? 64 : 1);
  };
  const auto better = [](const Interval& x, const Interval& y) { return x.error < y.error; };
  std::vector<Interval> heap;
  for (std::size_t i = 0; i < first.size(); ++i) heap.push_back(halved(f, cuts[i], cuts[i + 1], first[i]));
  std::make_heap(heap.begin(), heap.end(), better);
  while (!heap.empty() && heap.front().error > allowed && !enough(heap.front(), heap.size())) {
    std::pop_heap(heap.begin(), heap.end(), better);
    const Interval worst = heap.back();
    const double middle = 0.5 * (worst.a + worst.b);
    heap.back() = halved(f, worst.a, middle, worst.left);
    std::push_heap(heap.begin(), heap.end(), better);
    heap.push_back(halved(f, middle, worst.b, worst.right));
    std::push_heap(heap.begin(), heap.end(), better);
  }
  Total total;
  for (const Interval& interval : heap) {
    total.add(interval.left.value);
    total.add(interval.right.value);
  }
  return total.value();
}

}  // namespace gradus::theory
