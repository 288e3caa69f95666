#include "gradus/train/kernel_density.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "gradus/core/format.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::train {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// The numbers of x (n, features).
std::vector<double> numbers(const char* operation, const Tensor& x, Index features) {
  check_floating(operation, x);
  if (x.dim() != 2 || x.size(1) != features || features < 1)
    failf(operation, "the samples have shape {}; it must be (n, {})", x.shape(),
          features < 1 ? "D" : std::to_string(features));
  return to_vector<double>(x.to(float64));
}

}  // namespace

KernelDensity::KernelDensity(const Tensor& samples, double bandwidth)
    : features_(samples.dim() == 2 ? samples.size(1) : 0),
      bandwidth_(bandwidth),
      samples_(numbers("KernelDensity", samples, features_)) {
  if (samples_.empty()) fail("KernelDensity", "there are no samples");
  if (!std::all_of(samples_.begin(), samples_.end(), [](double value) { return std::isfinite(value); }))
    fail("KernelDensity", "the samples are not all finite");
  if (!(bandwidth > 0) || !std::isfinite(bandwidth))
    failf("KernelDensity", "a bandwidth of {}; it must be above 0 and finite", bandwidth);
}

std::vector<double> KernelDensity::evaluate(const std::vector<double>& x, bool leave_out) const {
  const auto d = static_cast<std::size_t>(features_);
  const std::size_t n = samples_.size() / d, count = n - (leave_out ? 1 : 0);
  const double log_norm = std::log(double(count)) + double(d) * (std::log(bandwidth_) + 0.5 * std::log(2 * std::numbers::pi));
  std::vector<double> log_p(x.size() / d);
  parallel_for(Index(log_p.size()), 16, [&](Index first, Index last) {
    std::vector<double> exponents(n);
    for (auto q = std::size_t(first); q < std::size_t(last); ++q) {
      for (std::size_t i = 0; i < n; ++i) {
        double distance = 0;
        for (std::size_t j = 0; j < d; ++j) distance += std::pow((x[q * d + j] - samples_[i * d + j]) / bandwidth_, 2);
        exponents[i] = -0.5 * distance;
      }
      if (leave_out) exponents[q] = -infinity;
      // Far from all samples every exponential is 0: the largest is taken out first.
      const double largest = *std::max_element(exponents.begin(), exponents.end());
      double total = 0;
      for (const double exponent : exponents) total += std::exp(exponent - largest);
      log_p[q] = count == 0 ? -infinity : largest + std::log(total) - log_norm;
    }
  });
  return log_p;
}

std::vector<double> KernelDensity::log_density(const Tensor& x) const {
  return evaluate(numbers("KernelDensity::log_density", x, features_), false);
}

std::vector<double> KernelDensity::leave_one_out() const { return evaluate(samples_, true); }

double best_bandwidth(const Tensor& samples, const std::vector<double>& bandwidths) {
  if (bandwidths.empty()) fail("best_bandwidth", "there are no bandwidths to choose from");
  double best = bandwidths.front(), highest = -infinity;
  for (const double bandwidth : bandwidths) {
    const std::vector<double> log_p = KernelDensity(samples, bandwidth).leave_one_out();
    const double total = std::accumulate(log_p.begin(), log_p.end(), 0.0);
    if (total > highest) highest = total, best = bandwidth;
  }
  return best;
}

}  // namespace gradus::train
