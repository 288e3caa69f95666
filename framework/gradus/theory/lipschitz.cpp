#include "gradus/theory/lipschitz.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "gradus/activations/registry.hpp"
#include "gradus/core/format.hpp"

namespace gradus::theory {
namespace {

using activations::Function;
using Curve = std::function<double(double)>;
constexpr double infinity = std::numeric_limits<double>::infinity();

// From low to high: 200 steps or 1/100 apart, beyond 32 a hundredth part of x apart, and the far ends by themselves.
std::vector<double> scan(double low, double high) {
  constexpr double farthest = 1e9;
  std::vector<double> points{low};
  double x = std::max(low, -farthest);
  const double step = std::min(0.01, (std::min(high, farthest) - x) / 200);
  while (x < std::min(high, farthest)) {
    if (x > points.back()) points.push_back(x);
    x += std::abs(x) > 32 ? std::max(step, std::abs(x) / 100) : step;
  }
  points.push_back(high);
  return points;
}

// Where the curve, which is higher at x than at a and b, is highest.
double golden(const Curve& curve, double a, double b) {
  constexpr double part = 1 / std::numbers::phi;
  double left = b - part * (b - a), right = a + part * (b - a), at_left = curve(left), at_right = curve(right);
  while (left > a && right < b && left < right) {
    if (at_left >= at_right) {
      b = right, right = left, at_right = at_left;
      left = b - part * (b - a), at_left = curve(left);
    } else {
      a = left, left = right, at_left = at_right;
      right = a + part * (b - a), at_right = curve(right);
    }
  }
  return 0.5 * (a + b);
}

// The zero of `slope`, which has different signs at a and b.
double bisect(const Curve& slope, double a, double b) {
  const bool rising = slope(a) < 0;
  for (;;) {
    const double middle = 0.5 * (a + b);
    if (middle <= a || middle >= b) return middle;
    ((slope(middle) < 0) == rising ? a : b) = middle;
  }
}

// Where the curve is highest between a and b, by its derivative if there is one.
double refined(const Curve& curve, const Curve& derivative, double a, double b) {
  const bool crosses = derivative && derivative(a) > 0 && derivative(b) < 0;
  return crosses ? bisect(derivative, a, b) : golden(curve, a, b);
}

// At infinity the limit, for those who can say it; else from far off.
double at(const Curve& curve, double x) {
  const double value = curve(x);
  return std::isnan(value) && std::isinf(x) ? curve(std::copysign(1e9, x)) : value;
}

// sup of a curve between neighbouring kinks; `derivative` may be empty.
Extreme highest_between(const Curve& curve, const Curve& derivative, double low, double high) {
  Extreme best{-infinity, low};
  const auto consider = [&](double x) {
    const double value = at(curve, x);
    if (value > best.value) best = {value, x};
  };
  const std::vector<double> points = scan(low, high);
  std::vector<double> values;
  for (const double x : points) {
    values.push_back(at(curve, x));
    consider(x);
  }
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    if (!(values[i] >= values[i - 1] && values[i] >= values[i + 1])) continue;
    if (values[i] == values[i - 1] && values[i] == values[i + 1]) continue;
    const double a = points[i - 1], b = points[i + 1];
    if (std::isinf(a) || std::isinf(b)) continue;
    consider(refined(curve, derivative, a, b));
  }
  return best;
}

Extreme highest(const Curve& curve, const Curve& derivative, std::vector<double> kinks, const Interval& interval) {
  if (interval.low == interval.high) return {curve(interval.low), interval.low};
  std::sort(kinks.begin(), kinks.end());
  Extreme best{-infinity, interval.low};
  double from = interval.low;
  const auto piece = [&](double low, double high, double place_low, double place_high) {
    Extreme e = highest_between(curve, derivative, low, high);
    if (e.at == low) e.at = place_low;
    if (e.at == high) e.at = place_high;
    if (e.value > best.value) best = e;
  };
  bool from_kink = false;
  const auto inside = [&](double x, double towards) { return std::nextafter(x, towards); };
  for (const double kink : kinks) {
    if (kink < interval.low || kink > interval.high) continue;
    if (kink > interval.low) piece(from_kink ? inside(from, infinity) : from, inside(kink, -infinity), from, kink);
    from = kink, from_kink = true;
  }
  if (from < interval.high) piece(from_kink ? inside(from, infinity) : from, interval.high, from, interval.high);
  return best;
}

void check(const char* operation, const Interval& interval) {
  if (!(interval.low <= interval.high))
    failf(operation, "the interval from {} to {} is empty", interval.low, interval.high);
}

Curve negative(const Curve& curve) {
  if (!curve) return {};
  return [curve](double x) { return -curve(x); };
}

}  // namespace

SlopeRange derivative_range(const Function& f, int order, const Interval& interval) {
  check("derivative_range", interval);
  const Curve curve = [&](double x) { return f(order, x); };
  const Curve next = f.highest_derivative() > order ? Curve([&](double x) { return f(order + 1, x); }) : Curve{};
  Extreme lowest = highest(negative(curve), negative(next), f.traits().kinks, interval);
  lowest.value = -lowest.value;
  return {lowest, highest(curve, next, f.traits().kinks, interval)};
}

SlopeRange slope_range(const Function& f, const Interval& interval) { return derivative_range(f, 1, interval); }

std::vector<Extreme> slope_turns(const Function& f) {
  const Curve up = [&](double x) { return f(1, x); };
  const Curve bend = f.highest_derivative() >= 2 ? Curve([&](double x) { return f(2, x); }) : Curve{};
  const Curve down = negative(up), bend_down = negative(bend);
  std::vector<double> ends = f.traits().kinks;
  ends.insert(ends.end(), {-infinity, infinity});
  std::sort(ends.begin(), ends.end());
  std::vector<Extreme> turns;
  for (std::size_t piece = 0; piece + 1 < ends.size(); ++piece) {
    const double low = std::isinf(ends[piece]) ? ends[piece] : std::nextafter(ends[piece], infinity);
    const double high = std::isinf(ends[piece + 1]) ? ends[piece + 1] : std::nextafter(ends[piece + 1], -infinity);
    if (std::isfinite(low)) turns.push_back({up(low), ends[piece]});
    const std::vector<double> points = scan(low, high);
    for (std::size_t i = 1; i + 1 < points.size(); ++i) {
      const double a = points[i - 1], b = points[i + 1], before = up(a), here = up(points[i]), after = up(b);
      if (std::isinf(a) || std::isinf(b)) continue;
      const bool top = here - before > 1e-13 && here - after >= -1e-13 && here >= after;
      const bool bottom = before - here > 1e-13 && after - here >= -1e-13 && here <= after;
      if (!top && !bottom) continue;
      const double at = refined(top ? up : down, top ? bend : bend_down, a, b);
      turns.push_back({up(at), at});
    }
    if (std::isfinite(high)) turns.push_back({up(high), ends[piece + 1]});
  }
  return turns;
}

Extreme lipschitz_constant(const Function& f, const Interval& interval) {
  const SlopeRange range = slope_range(f, interval);
  if (range.highest.value >= -range.lowest.value) return range.highest;
  return {-range.lowest.value, range.lowest.at};
}

Extreme lipschitz_constant(std::string_view activation, const Interval& interval) {
  return lipschitz_constant(activations::activation(activation), interval);
}

Extreme max_difference(const Function& f, const Function& g, int order, const Interval& interval) {
  check("max_difference", interval);
  const auto difference = [&](int k) {
    return Curve([&f, &g, k](double x) {
      const double a = f(k, x), b = g(k, x);
      return a == b ? 0 : a - b;  // both infinite
    });
  };
  const Curve up = difference(order);
  const bool more = std::min(f.highest_derivative(), g.highest_derivative()) > order;
  const Curve slope = more ? difference(order + 1) : Curve{};
  std::vector<double> kinks = f.traits().kinks;
  kinks.insert(kinks.end(), g.traits().kinks.begin(), g.traits().kinks.end());
  const Extreme above = highest(up, slope, kinks, interval),
                below = highest(negative(up), negative(slope), kinks, interval);
  return above.value >= below.value ? above : below;
}

}  // namespace gradus::theory
