#include "gradus/theory/privacy.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <functional>
#include <limits>
#include <numbers>

#include "gradus/core/format.hpp"
#include "gradus/theory/gaussian.hpp"
#include "gradus/theory/quadrature.hpp"

namespace gradus::theory {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

void check(const char* operation, const SubsampledGaussian& step) {
  if (!(step.sampling_rate >= 0 && step.sampling_rate <= 1))
    failf(operation, "a sampling rate of {}; it must be between 0 and 1", step.sampling_rate);
  if (!(step.noise_multiplier >= 0) || !std::isfinite(step.noise_multiplier))
    failf(operation, "a noise multiplier of {}; it must be finite and not negative", step.noise_multiplier);
}

// log(e^x - 1).
double log_expm1(double x) { return x > 1 ? x + std::log1p(-std::exp(-x)) : std::log(std::expm1(x)); }

// log A for a whole order, from the logarithms of the terms of A - 1.
double log_moment_whole(double q, double s, double order) {
  std::vector<double> logs;
  double choose = std::log(order);  // log C(order, k)
  for (double k = 2; k <= order; ++k) {
    choose += std::log((order - k + 1) / k);
    logs.push_back(choose + (order - k) * std::log1p(-q) + k * std::log(q) + log_expm1(k * (k - 1) / (2 * s * s)));
  }
  const double most = *std::max_element(logs.begin(), logs.end());
  double sum = 0;
  for (const double log : logs) sum += std::exp(log - most);
  const double log_excess = most + std::log(sum);
  return log_excess > 500 ? log_excess : std::log1p(std::exp(log_excess));
}

// log A by quadrature, in units of s: z = s y.
double log_moment(double q, double s, double order) {
  const auto exponent = [=](double y) { return (2 * s * y - 1) / (2 * s * s); };
  // log of (1 - q + q e^u)^order, without overflow for large u.
  const auto log_power = [=](double u) {
    return order * (u > 30 ? u + std::log(q + (1 - q) * std::exp(-u)) : std::log1p(q * std::expm1(u)));
  };
  // The integrand is Gaussian around 0 and, where q e^u is large, around order / s.
  const double far_mean = order / s, turn = (s * s * std::log((1 - q) / q) + 0.5) / s;
  std::vector<double> cuts{-40, far_mean + 40};
  for (const double middle : {0.0, turn, far_mean})
    for (const double y : {-16.0, -8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0})
      if (middle + y > -40 && middle + y < far_mean + 40) cuts.push_back(middle + y);
  std::sort(cuts.begin(), cuts.end());
  double most = -infinity;
  for (const double y : cuts) most = std::max(most, log_power(exponent(y)) - 0.5 * y * y);
  const double density = 1 / std::sqrt(2 * std::numbers::pi);
  if (most < 30) {
    const auto excess = [&](double y) {
      const double u = exponent(y), power = log_power(u), half = 0.5 * y * y;
      // Far out the power overflows, and the density comes to 0, before their product is small.
      if (power > 30)
        return density * (std::exp(power - half) - (1 - order * q) * std::exp(-half) - order * q * std::exp(u - half));
      return density * std::exp(-half) * (std::expm1(power) - order * q * std::expm1(u));
    };
    return std::log1p(integrate(excess, cuts));
  }
  const double scaled =
      integrate([&](double y) { return density * std::exp(log_power(exponent(y)) - 0.5 * y * y - most); }, cuts);
  return most + std::log(scaled);
}

double epsilon_at(double order, double divergence, double delta, Conversion conversion) {
  if (conversion == Conversion::classic) return divergence - std::log(delta) / (order - 1);
  return divergence + std::log1p(-1 / order) - (std::log(delta) + std::log(order)) / (order - 1);
}

}  // namespace

double renyi_divergence(const SubsampledGaussian& step, double order) {
  check("renyi_divergence", step);
  if (!(order > 1) || !std::isfinite(order)) failf("renyi_divergence", "an order of {}; it must be above 1", order);
  const double q = step.sampling_rate, s = step.noise_multiplier;
  if (q == 0) return 0;
  if (s == 0) return infinity;
  if (q == 1) return order / (2 * s * s);
  const bool whole = order == std::floor(order) && order < 1e5;
  return (whole ? log_moment_whole(q, s, order) : log_moment(q, s, order)) / (order - 1);
}

std::vector<double> default_orders() {
  std::vector<double> orders{1.1, 1.25, 1.5, 1.75};
  for (int order = 2; order <= 64; ++order) orders.push_back(order);
  for (int order = 72; order <= 128; order += 8) orders.push_back(order);
  orders.insert(orders.end(), {160, 192, 256, 512});
  return orders;
}

std::vector<double> fine_orders() {
  std::vector<double> orders;
  for (double above = 0.01; above < 600; above *= 1.01) orders.push_back(1 + above);
  return orders;
}

PrivacyAccountant::PrivacyAccountant(std::vector<double> orders)
    : orders_(std::move(orders)), divergences_(orders_.size(), 0.0) {
  if (orders_.empty()) failf("PrivacyAccountant", "there are no orders");
  for (const double order : orders_)
    if (!(order > 1) || !std::isfinite(order)) failf("PrivacyAccountant", "an order of {}; it must be above 1", order);
}

void PrivacyAccountant::compose(const SubsampledGaussian& step, Index steps) {
  check("PrivacyAccountant::compose", step);
  if (steps < 0) failf("PrivacyAccountant::compose", "{} steps; the number must not be negative", steps);
  if (steps == 0) return;
  for (std::size_t i = 0; i < orders_.size(); ++i)
    divergences_[i] += double(steps) * renyi_divergence(step, orders_[i]);
}

PrivacyLoss PrivacyAccountant::spent(double delta, Conversion conversion) const {
  if (!(delta > 0 && delta < 1)) failf("PrivacyAccountant::spent", "a delta of {}; it must be between 0 and 1", delta);
  PrivacyLoss best{infinity, orders_.front()};
  for (std::size_t i = 0; i < orders_.size(); ++i)
    if (const double epsilon = epsilon_at(orders_[i], divergences_[i], delta, conversion); epsilon < best.epsilon)
      best = {epsilon, orders_[i]};
  // Nothing given away has no loss, whatever the orders can say of it.
  const bool nothing = std::all_of(divergences_.begin(), divergences_.end(), [](double r) { return r == 0; });
  return {nothing ? 0 : std::max(0.0, best.epsilon), best.order};
}

PrivacyLoss privacy_spent(const PrivacyRun& run) {
  PrivacyAccountant accountant;
  accountant.compose({run.sampling_rate, run.noise_multiplier}, run.steps);
  return accountant.spent(run.delta, run.conversion);
}

double noise_multiplier_for(const PrivacyTarget& target) {
  if (!(target.epsilon > 0) || !std::isfinite(target.epsilon))
    failf("noise_multiplier_for", "an epsilon of {}; it must be positive", target.epsilon);
  const auto spent = [&](double noise) {
    return privacy_spent({target.sampling_rate, noise, target.steps, target.delta, target.conversion}).epsilon;
  };
  constexpr double most = 1e4;
  double low = 0, high = 1;
  while (spent(high) > target.epsilon) {
    low = high, high *= 2;
    if (high > most)
      failf("noise_multiplier_for", "epsilon {} with delta {} needs noise above {} times the clipping norm",
            target.epsilon, target.delta, most);
  }
  while (high - low > 1e-9 * high) {
    const double middle = 0.5 * (low + high);
    (spent(middle) > target.epsilon ? low : high) = middle;
  }
  return high;
}

namespace {

using Complex = std::complex<double>;

// In place, of a power of two: radix 2, decimation in time. The inverse is without its factor 1 / n.
void fourier(std::vector<Complex>& x, bool inverse) {
  const std::size_t n = x.size();
  for (std::size_t i = 1, j = 0; i < n; ++i) {
    std::size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  std::vector<Complex> roots(n / 2);
  for (std::size_t k = 0; k < n / 2; ++k)
    roots[k] = std::polar(1.0, (inverse ? 2 : -2) * std::numbers::pi * double(k) / double(n));
  for (std::size_t length = 2; length <= n; length *= 2)
    for (std::size_t start = 0; start < n; start += length)
      for (std::size_t k = 0; k < length / 2; ++k) {
        const Complex even = x[start + k], odd = x[start + k + length / 2] * roots[k * (n / length)];
        x[start + k] = even + odd;
        x[start + k + length / 2] = even - odd;
      }
}

// The loss of one step, log of the ratio of the two densities, as a distribution. The output is N(0, s^2) without the
// sample, and with it N(1, s^2) with chance q. The ratio rises with the output z.
struct StepLoss {
  double q, s;
  // The z with log(1 - q + q e^((2 z - 1) / (2 s^2))) = y.
  double output(double y) const {
    const double ratio = std::expm1(y) + q;
    return ratio <= 0 ? -infinity : s * s * std::log(ratio / q) + 0.5;
  }
  double taken_away(double y) const {  // P(loss < y) for z with the sample
    const double z = output(y);
    return (1 - q) * normal_cdf(z / s) + q * normal_cdf((z - 1) / s);
  }
  double added(double y) const { return normal_cdf(-output(-y) / s); }  // and the opposite loss for z without it
  // The means of both losses: E log(1 - q + q e^u), and minus that without the sample.
  double mean(bool with_sample) const {
    const auto loss = [&](double z) {
      const double u = (2 * z - 1) / (2 * s * s);
      return u > 30 ? u + std::log(q + (1 - q) * std::exp(-u)) : std::log1p(q * std::expm1(u));
    };
    const auto around = [&](double middle) {
      std::vector<double> cuts;
      for (double y = -40; y <= 40; y += 2) cuts.push_back(y);
      return integrate([&](double y) { return loss(middle + s * y) * normal_pdf(y); }, cuts);
    };
    return with_sample ? (1 - q) * around(0) + q * around(1) : -around(0);
  }
};

// epsilon for which E (1 - e^(epsilon - loss))_+ = delta, the loss being the sum of `steps` losses of that distribution
// function.
double composed_epsilon(const std::function<double(double)>& cdf, double mean, const PrivacyRun& run, double reach,
                        Index n) {
  const double h = 2 * reach / double(n);
  const auto value = [=](Index k) { return h * double(k < n / 2 ? k : k - n); };  // the upper half are negative losses
  std::vector<Complex> p(static_cast<std::size_t>(n));
  double total = 0, grid_mean = 0, below = cdf(value(n / 2) - h / 2);
  for (Index i = 0; i < n; ++i) {
    const Index k = (i + n / 2) % n;
    const double above = cdf(value(k) + h / 2), chance = above - below;
    p[std::size_t(k)] = chance, total += chance, grid_mean += chance * value(k), below = above;
  }
  grid_mean /= total;
  for (Complex& c : p) c /= total;
  fourier(p, false);
  for (Complex& c : p) c = c == 0.0 ? 0.0 : std::exp(double(run.steps) * std::log(c));
  fourier(p, true);
  const double shift = double(run.steps) * (mean - grid_mean);
  const auto delta = [&](double epsilon) {
    double sum = 0;
    for (Index k = 0; k < n; ++k)
      if (const double loss = value(k) + shift; loss > epsilon)
        sum -= p[std::size_t(k)].real() / double(n) * std::expm1(epsilon - loss);
    return sum;
  };
  if (delta(0) <= run.delta) return 0;
  double low = 0, high = reach;
  while (high - low > 1e-9 * reach) {
    const double middle = 0.5 * (low + high);
    (delta(middle) > run.delta ? low : high) = middle;
  }
  return high;
}

}  // namespace

double tight_epsilon(const PrivacyRun& run, Index grid_points) {
  if (grid_points < 1 << 10 || grid_points > 1 << 24 || (grid_points & (grid_points - 1)) != 0)
    failf("tight_epsilon", "{} grid points; a power of two from 2^10 to 2^24 is needed", grid_points);
  const SubsampledGaussian step{run.sampling_rate, run.noise_multiplier};
  PrivacyAccountant accountant;
  accountant.compose(step, run.steps);
  (void)accountant.spent(run.delta);
  if (run.steps == 0 || run.sampling_rate == 0) return 0;
  // Beyond this the sum of losses has less than 1e-7 of delta: the Chernoff bound is the classic conversion.
  const double reach = 1.2 * accountant.spent(1e-7 * run.delta, Conversion::classic).epsilon;
  if (!std::isfinite(reach)) failf("tight_epsilon", "the Renyi divergences of these steps have no finite bound");
  const StepLoss loss{run.sampling_rate, run.noise_multiplier};
  const auto away = [&](double y) { return loss.taken_away(y); };
  const auto added = [&](double y) { return loss.added(y); };
  return std::max(composed_epsilon(away, loss.mean(true), run, reach, grid_points),
                  composed_epsilon(added, loss.mean(false), run, reach, grid_points));
}

double gaussian_mechanism_epsilon(double s, double delta) {
  if (!(s > 0) || !std::isfinite(s))
    failf("gaussian_mechanism_epsilon", "a noise multiplier of {}; it must be positive", s);
  if (!(delta > 0 && delta < 1))
    failf("gaussian_mechanism_epsilon", "a delta of {}; it must be between 0 and 1", delta);
  // In logarithms, so that e^epsilon does not overflow.
  const auto above = [&](double epsilon) {
    const double left = normal_cdf(1 / (2 * s) - epsilon * s);
    return left - std::exp(epsilon + log_normal_cdf(-1 / (2 * s) - epsilon * s)) > delta;
  };
  if (!above(0)) return 0;
  double low = 0, high = 1;
  while (above(high)) low = high, high *= 2;
  for (double middle = 0.5 * (low + high); low < middle && middle < high; middle = 0.5 * (low + high))
    (above(middle) ? low : high) = middle;
  return high;
}

}  // namespace gradus::theory
