#include "gradus/theory/denoising.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/core/format.hpp"
#include "gradus/theory/gaussian.hpp"
#include "gradus/theory/quadrature.hpp"

namespace gradus::theory {
namespace {

using Kind = PriorPart::Kind;
constexpr double infinity = std::numeric_limits<double>::infinity();

void check(const char* operation, const Prior& prior, double sigma) {
  if (!(sigma > 0) || !std::isfinite(sigma)) failf(operation, "noise of deviation {}; it must be positive", sigma);
  double total = 0;
  for (const PriorPart& part : prior) {
    if (!(part.weight >= 0)) failf(operation, "a part of the prior has the weight {}", part.weight);
    if (part.kind != Kind::spike && (!(part.scale > 0) || !std::isfinite(part.scale)))
      failf(operation, "a part of the prior has the scale {}; it must be positive", part.scale);
    if (!std::isfinite(part.location)) failf(operation, "a part of the prior lies at {}", part.location);
    total += part.weight;
  }
  if (!(std::abs(total - 1) < 1e-9)) failf(operation, "the weights of the prior add up to {}, not to 1", total);
}

// p(y) E[X^n | Y = y] for n = 0, 1, 2.
struct Posterior {
  double p[3] = {0, 0, 0};
  void add(double weight, double p0, double p1, double p2) {
    p[0] += weight * p0, p[1] += weight * p1, p[2] += weight * p2;
  }
  double mean() const { return p[0] > 0 ? p[1] / p[0] : 0; }
};

// The half x > 0 of a Laplace prior: e^(-x / b) N(y; x, s^2) / (2 b) is, completing the square, a multiple of a
// Gaussian of mean y - s^2 / b and variance s^2. t is that mean in deviations; below 0 the factor is taken together.
std::vector<double> laplace_half(double y, double b, double s) {
  const double t = y / s - s / b;
  std::vector<double> moments;
  double factor;
  if (t > 0) {
    moments = half_moments(t, 1, 2);
    factor = std::exp(-y / b + s * s / (2 * b * b)) / (2 * b);
  } else {
    moments = tail_integrals(t, 2);
    factor = normal_pdf(y / s) / (2 * b);
  }
  for (double& moment : moments) moment *= factor, factor *= s;
  return moments;
}

Posterior posterior(double y, const Prior& prior, double sigma) {
  Posterior all;
  for (const PriorPart& part : prior) {
    const double x = part.location, variance = part.scale * part.scale + sigma * sigma, deviation = std::sqrt(variance);
    const double pull = part.scale * part.scale / variance, rest = pull * sigma * sigma;  // posterior variance
    switch (part.kind) {
      case Kind::spike: {
        const double p = normal_pdf((y - x) / sigma) / sigma;
        all.add(part.weight, p, p * x, p * x * x);
        break;
      }
      case Kind::normal: {
        const double p = normal_pdf((y - x) / deviation) / deviation, mean = x + pull * (y - x);
        all.add(part.weight, p, p * mean, p * (mean * mean + rest));
        break;
      }
      case Kind::half_normal: {
        const double p = 2 * normal_pdf(y / deviation) / deviation;
        const std::vector<double> m = half_moments(pull * y, rest, 2);
        all.add(part.weight, p * m[0], p * m[1], p * m[2]);
        break;
      }
      case Kind::laplace: {
        const std::vector<double> up = laplace_half(y, part.scale, sigma), down = laplace_half(-y, part.scale, sigma);
        all.add(part.weight, up[0] + down[0], up[1] - down[1], up[2] + down[2]);
        break;
      }
    }
  }
  return all;
}

// The posterior mean where p(y) is below the smallest double: by logarithms, to fewer digits (those of y^2 / sigma^2).
double far_mean(double y, const Prior& prior, double sigma) {
  struct Term {
    double log_factor, mass, first;
  };
  std::vector<Term> terms;
  constexpr double log_sqrt_2pi = 0.918938533204672741780329736406;
  // E[X^n; X > 0] of N(mean, s^2) times a factor, mirrored for side = -1.
  const auto half = [&](double log_factor, double mean, double s, double side) {
    const double t = mean / s;
    const std::vector<double> m = t > 0 ? half_moments(t, 1, 1) : tail_integrals(t, 1);
    terms.push_back({log_factor - (t > 0 ? 0 : 0.5 * t * t + log_sqrt_2pi), m[0], side * s * m[1]});
  };
  for (const PriorPart& part : prior) {
    if (part.weight == 0) continue;
    const double x = part.location, deviation = std::hypot(part.scale, sigma), log_weight = std::log(part.weight);
    const double pull = std::pow(part.scale / deviation, 2);
    const auto log_normal = [&](double off, double s) {
      return log_weight - 0.5 * off * off / (s * s) - std::log(s) - log_sqrt_2pi;
    };
    switch (part.kind) {
      case Kind::spike:
        terms.push_back({log_normal(y - x, sigma), 1, x});
        break;
      case Kind::normal:
        terms.push_back({log_normal(y - x, deviation), 1, x + pull * (y - x)});
        break;
      case Kind::half_normal:
        half(std::log(2) + log_normal(y, deviation), pull * y, std::sqrt(pull) * sigma, 1);
        break;
      case Kind::laplace:
        for (const double side : {1.0, -1.0}) {
          const double b = part.scale, ratio = sigma / b;
          half(log_weight - side * y / b + 0.5 * ratio * ratio - std::log(2 * b), side * y - sigma * ratio, sigma,
               side);
        }
        break;
    }
  }
  double highest = -infinity, mass = 0, first = 0;
  for (const Term& term : terms) highest = std::max(highest, term.log_factor + std::log(term.mass));
  for (const Term& term : terms) {
    const double factor = std::exp(term.log_factor - highest);
    mass += factor * term.mass, first += factor * term.first;
  }
  return first / mass;
}

// The integral over y of g(y, posterior at y), split at the scales of the noise, the prior and the denoiser.
template <class G>
double over_observations(const Prior& prior, double sigma, const std::vector<double>& kinks, const G& g) {
  double reach = 0;
  std::vector<double> cuts = kinks;
  const auto around = [&](double x, double scale, double farthest) {
    cuts.push_back(x);
    for (double z = 0.5; z < 2 * farthest; z *= 2)
      for (const double side : {-1.0, 1.0}) cuts.push_back(x + side * std::min(z, farthest) * scale);
    reach = std::max(reach, std::abs(x) + farthest * scale);
  };
  for (const PriorPart& part : prior) {
    around(part.location, sigma, 39);
    if (part.kind == Kind::normal || part.kind == Kind::half_normal)
      around(part.location, std::hypot(part.scale, sigma), 39);
    if (part.kind == Kind::laplace) around(0, part.scale + sigma, 700);
  }
  std::erase_if(cuts, [&](double x) { return !(std::abs(x) <= reach); });
  std::sort(cuts.begin(), cuts.end());
  return integrate([&](double y) { return g(y, posterior(y, prior, sigma)); }, cuts);
}

struct Minimum {
  double at, value;
};

// The least of the values on a grid, refined between its neighbours by golden sections.
Minimum least(const std::function<double(double)>& h, const std::vector<double>& grid) {
  std::size_t best = 0;
  std::vector<double> values;
  for (const double x : grid) values.push_back(h(x));
  for (std::size_t i = 0; i < grid.size(); ++i)
    if (values[i] < values[best]) best = i;
  double a = grid[best == 0 ? 0 : best - 1], b = grid[std::min(best + 1, grid.size() - 1)];
  constexpr double part = 1 / std::numbers::phi;
  double left = b - part * (b - a), right = a + part * (b - a), at_left = h(left), at_right = h(right);
  while (b - a > 1e-9 * (std::abs(a) + std::abs(b))) {
    if (at_left <= at_right) {
      b = right, right = left, at_right = at_left;
      left = b - part * (b - a), at_left = h(left);
    } else {
      a = left, left = right, at_left = at_right;
      right = a + part * (b - a), at_right = h(right);
    }
  }
  const double x = 0.5 * (a + b), value = h(x);
  return values[best] <= value ? Minimum{grid[best], values[best]} : Minimum{x, value};
}

void check_threshold(const char* operation, double lambda) {
  if (!(lambda >= 0)) failf(operation, "a threshold of {}; it must not be negative", lambda);
}

void check_signals(const char* operation, const Interval& interval) {
  if (!(interval.low < interval.high) || !std::isfinite(interval.low) || !std::isfinite(interval.high))
    failf(operation, "signals from {} to {}; a finite interval is needed", interval.low, interval.high);
}

std::vector<double> even(const Interval& interval, int points) {
  std::vector<double> grid;
  for (int i = 0; i < points; ++i)
    grid.push_back(i + 1 == points ? interval.high
                                   : interval.low + (interval.high - interval.low) * double(i) / (points - 1));
  return grid;
}

std::vector<double> logarithmic(double lowest, double highest, int points) {
  std::vector<double> grid;
  for (int i = 0; i < points; ++i) grid.push_back(lowest * std::pow(highest / lowest, double(i) / (points - 1)));
  return grid;
}

}  // namespace

Prior sparse_half_normal(double zero, double scale) {
  return {{.kind = Kind::spike, .weight = zero}, {.kind = Kind::half_normal, .weight = 1 - zero, .scale = scale}};
}
Prior spike_and_slab(double zero, double scale) {
  return {{.kind = Kind::spike, .weight = zero}, {.kind = Kind::normal, .weight = 1 - zero, .scale = scale}};
}
Prior laplace(double scale) { return {{.kind = Kind::laplace, .scale = scale}}; }

Denoiser denoiser(const activations::Function& f) {
  return {[f](double y) { return f(y); }, f.traits().kinks};
}

Denoiser soft_threshold(double lambda) {
  check_threshold("soft_threshold", lambda);
  return {[lambda](double y) { return y > lambda ? y - lambda : y < -lambda ? y + lambda : 0; }, {-lambda, lambda}};
}

Denoiser one_sided_threshold(double lambda) {
  check_threshold("one_sided_threshold", lambda);
  return {[lambda](double y) { return std::max(y - lambda, 0.0); }, {lambda}};
}

Denoiser gaussian_gate(double sharpness) {
  if (!(sharpness >= 0)) failf("gaussian_gate", "a sharpness of {}; it must not be negative", sharpness);
  if (std::isinf(sharpness)) return one_sided_threshold(0);
  if (sharpness == 0) return {[](double y) { return 0.5 * y; }, {}};
  std::vector<double> scales;  // y Phi(b y) is smooth, on the scale 1 / b
  for (const double z : {-8.0, -2.0, 0.0, 2.0, 8.0}) scales.push_back(z / sharpness);
  return {[sharpness](double y) { return y * normal_cdf(sharpness * y); }, scales};
}

Denoiser scaled(const Denoiser& d, double amplitude) {
  if (!std::isfinite(amplitude)) failf("scaled", "an amplitude of {}", amplitude);
  return {[estimate = d.estimate, amplitude](double y) { return amplitude * estimate(y); }, d.kinks};
}

double posterior_mean(double y, const Prior& prior, double sigma) {
  check("posterior_mean", prior, sigma);
  if (!std::isfinite(y)) failf("posterior_mean", "an observation of {}", y);
  const Posterior at = posterior(y, prior, sigma);
  return at.p[0] > 1e-280 && std::isfinite(at.p[0]) ? at.mean() : far_mean(y, prior, sigma);
}

double minimum_risk(const Prior& prior, double sigma) {
  check("minimum_risk", prior, sigma);
  return over_observations(prior, sigma, {}, [](double, const Posterior& at) { return at.p[2] - at.p[1] * at.mean(); });
}

double denoising_risk(const Denoiser& d, const Prior& prior, double sigma) {
  check("denoising_risk", prior, sigma);
  const double excess = over_observations(prior, sigma, d.kinks, [&](double y, const Posterior& at) {
    if (at.p[0] == 0) return 0.0;
    const double off = d.estimate(y) - at.mean();
    return at.p[0] * off * off;
  });
  return minimum_risk(prior, sigma) + excess;
}

BestDenoiser best_amplitude(const Denoiser& d, const Prior& prior, double sigma) {
  check("best_amplitude", prior, sigma);
  const auto value = [&](double y) { return d.estimate(y); };
  const double product = over_observations(
      prior, sigma, d.kinks, [&](double y, const Posterior& at) { return at.p[0] == 0 ? 0 : value(y) * at.p[1]; });
  const double square = over_observations(prior, sigma, d.kinks, [&](double y, const Posterior& at) {
    return at.p[0] == 0 ? 0 : value(y) * value(y) * at.p[0];
  });
  if (!(square > 0)) failf("best_amplitude", "the estimate is 0 wherever there are observations");
  const double amplitude = product / square;
  return {1, amplitude, denoising_risk(scaled(d, amplitude), prior, sigma)};
}

BestDenoiser best_threshold(const Prior& prior, double sigma, bool one_sided) {
  check("best_threshold", prior, sigma);
  const double floor = minimum_risk(prior, sigma);
  const auto risk = [&](double lambda) {
    const Denoiser d = one_sided ? one_sided_threshold(lambda) : soft_threshold(lambda);
    return floor + over_observations(prior, sigma, d.kinks, [&](double y, const Posterior& at) {
             const double off = d.estimate(y) - at.mean();
             return at.p[0] == 0 ? 0 : at.p[0] * off * off;
           });
  };
  std::vector<double> grid = logarithmic(1e-3 * sigma, 30 * sigma, 60);
  grid.insert(grid.begin(), 0.0);
  const Minimum best = least(risk, grid);
  return {best.at, 1, best.value};
}

BestDenoiser best_gate(const Prior& prior, double sigma, bool amplitude) {
  check("best_gate", prior, sigma);
  const auto with = [&](double sharpness) {
    const Denoiser d = gaussian_gate(sharpness);
    BestDenoiser best =
        amplitude ? best_amplitude(d, prior, sigma) : BestDenoiser{1, 1, denoising_risk(d, prior, sigma)};
    best.parameter = sharpness;
    return best;
  };
  const Minimum logarithm = least([&](double x) { return with(std::exp(x)).risk; },
                                  [&] {
                                    std::vector<double> grid = logarithmic(1e-3 / sigma, 1e3 / sigma, 40);
                                    for (double& b : grid) b = std::log(b);
                                    return grid;
                                  }());
  const BestDenoiser sharp = with(std::exp(logarithm.at)), limit = with(infinity);
  return limit.risk <= sharp.risk ? limit : sharp;
}

double snr_factor(const activations::Function& f, double s) {
  if (s == 0 || !std::isfinite(s)) failf("snr_factor", "a signal of {}; it must be finite and not 0", s);
  const double ratio = f(s) / (s * f(1, s));
  return ratio * ratio;
}

Extreme lowest_snr_factor(const activations::Function& f, const Interval& interval) {
  check_signals("lowest_snr_factor", interval);
  if (interval.low <= 0 && 0 <= interval.high)
    failf("lowest_snr_factor", "signals from {} to {}: the factor has no meaning at 0", interval.low, interval.high);
  const Minimum lowest = least([&](double s) { return snr_factor(f, s); }, even(interval, 2000));
  return {lowest.value, lowest.at};
}

std::vector<Interval> snr_gains(const activations::Function& f, const Interval& interval) {
  check_signals("snr_gains", interval);
  if (interval.low < 0 && 0 < interval.high)
    failf("snr_gains", "signals from {} to {}: the factor has no meaning at 0; take one side at a time", interval.low,
          interval.high);
  // At 0 itself the side that leads there decides.
  const auto gains = [&](double s) { return snr_factor(f, s) > 1; };
  const std::vector<double> grid = even(interval, 20000);
  const auto inside = [&](std::size_t i) { return gains(grid[i] != 0 ? grid[i] : grid[i == 0 ? 1 : i - 1]); };
  std::vector<Interval> found;
  if (inside(0)) found.push_back({grid[0], grid.back()});
  for (std::size_t i = 1; i < grid.size(); ++i) {
    const bool now = inside(i);
    if (now == inside(i - 1)) continue;
    double before = grid[i - 1], after = grid[i];
    for (int k = 0; k < 60; ++k) {
      const double middle = 0.5 * (before + after);
      (gains(middle) == now ? after : before) = middle;
    }
    if (now)
      found.push_back({after, grid.back()});
    else
      found.back().high = after;
  }
  return found;
}

}  // namespace gradus::theory
