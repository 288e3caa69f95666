#pragma once
// A density without training, as a baseline for those that are trained: a small Gaussian hill on every sample.
//
//   const double h = train::best_bandwidth(x, {0.05, 0.1, 0.2, 0.4});
//   const std::vector<double> log_p = train::KernelDensity(x, h).log_density(test_x);
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus::train {

/// p(x) = 1/n sum_i N(x; x_i, bandwidth^2), the same bandwidth in every direction (Parzen, "On estimation of a
/// probability density function and mode", 1962). Computed in double; a query costs n exponentials.
class KernelDensity {
 public:
  /// samples: (n, D) floating, n and D at least 1, finite. Throws for others, and unless the bandwidth is positive and
  /// finite.
  KernelDensity(const Tensor& samples, double bandwidth);
  /// log p of each row of x (m, D): m numbers.
  std::vector<double> log_density(const Tensor& x) const;
  /// log p of each sample under the density of all others: n numbers. -inf for n = 1.
  std::vector<double> leave_one_out() const;

 private:
  std::vector<double> evaluate(const std::vector<double>& x, bool leave_out) const;

  Index features_;
  double bandwidth_;
  std::vector<double> samples_;
};

/// The bandwidth with the highest mean of leave_one_out(), i.e. by cross-validation with as many folds as samples (Duin,
/// "On the choice of smoothing parameters for Parzen estimators of probability density functions", 1976); the first of
/// equals. Throws for an empty list.
double best_bandwidth(const Tensor& samples, const std::vector<double>& bandwidths);

}  // namespace gradus::train
