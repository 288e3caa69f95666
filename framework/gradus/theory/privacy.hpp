#pragma once
// What training with clipped, noisy gradients (DP-SGD: Abadi et al. 2016) gives away, in (epsilon, delta). By Renyi
// differential privacy: its losses add up over the steps (Mironov 2017).
#include <vector>

#include "gradus/core/shape.hpp"

namespace gradus::theory {

/// One step: every sample is taken with chance sampling_rate, independently (Poisson sampling; batches of a fixed size
/// from a shuffled set do not meet this), gradients are clipped to norm C and summed, and noise of deviation
/// noise_multiplier C is added. The loss does not depend on C.
struct SubsampledGaussian {
  double sampling_rate;
  double noise_multiplier;
};

/// The Renyi divergence of that order between the outputs on two data sets that differ in one sample, an upper bound
/// for both directions: with q the rate and s the multiplier (Mironov, Talwar and Zhang, "Renyi differential privacy of
/// the sampled Gaussian mechanism", 2019, section 3)
///   log(A) / (order - 1),   A = E (1 - q + q e^((2 z - 1) / (2 s^2)))^order,   z ~ N(0, s^2).
/// For whole orders A - 1 is the sum over k >= 2 of C(order, k) (1 - q)^(order - k) q^k (e^(k (k - 1) / (2 s^2)) - 1),
/// all terms positive; for others it is integrated numerically, less its first-order term, whose mean is 0, so that
/// what is added up is positive again. For q = 1 it is order / (2 s^2), for q = 0 it is 0, and infinite without noise.
/// Throws unless 0 <= q
/// <= 1, s >= 0 and the order is above 1, all finite.
double renyi_divergence(const SubsampledGaussian& step, double order);

enum class Conversion {
  classic,   ///< epsilon = r + log(1 / delta) / (order - 1) (Mironov 2017, proposition 3)
  improved,  ///< r + log((order - 1) / order) - (log delta + log order) / (order - 1) (Balle et al. 2020, theorem 21;
             ///< Canonne, Kamath and Steinke 2020, proposition 12): never worse
};

struct PrivacyLoss {
  double epsilon;
  double order;  ///< at which the bound is least
};

/// 2, 3, ..., 64, then 72, 80, ..., 128, 160, 192, 256, 512: enough for epsilon to three digits or so; and below 2, for
/// very large losses, 1.1, 1.25, 1.5 and 1.75.
std::vector<double> default_orders();

/// 1.01 to 600, in ratios of 1 % of order - 1: the least epsilon to about five digits.
std::vector<double> fine_orders();

/// Adds up the Renyi divergences of steps, of one or several kinds.
class PrivacyAccountant {
 public:
  /// Throws when there are no orders or one is not above 1.
  explicit PrivacyAccountant(std::vector<double> orders = default_orders());

  /// `steps` more of these. Throws for a negative number, and as renyi_divergence.
  void compose(const SubsampledGaussian& step, Index steps = 1);

  /// The least epsilon for which all that was composed is (epsilon, delta)-private by these orders, at least 0. Throws
  /// unless 0 < delta < 1.
  PrivacyLoss spent(double delta, Conversion conversion = Conversion::improved) const;

 private:
  std::vector<double> orders_, divergences_;
};

struct PrivacyRun {
  double sampling_rate;
  double noise_multiplier;
  Index steps;
  double delta;
  Conversion conversion = Conversion::improved;
};

/// Of `steps` equal steps, with the default orders. E.g. {256 / 60000, 1.1, 14063, 1e-5}: 2.59708 (classic 3.00921).
PrivacyLoss privacy_spent(const PrivacyRun& run);

/// The same, tight: the distribution of the privacy loss of one step, both with the sample added and taken away, on a
/// grid, its `steps`-fold convolution by Fourier transform, and the least epsilon with E(1 - e^(epsilon - loss))_+ <=
/// delta (Koskela, Jalko and Honkela 2020; Gopi, Lee and Wutschitz 2021). Each step's rounding to the grid keeps the
/// mean, so its errors add up only to a variance of steps h^2 / 12; with the default grid that is below 1e-4 of
/// epsilon. An estimate to hold the bounds above against, not a bound itself. 2.38 in the example. Throws as
/// privacy_spent, when a single step gives no finite bound, and unless 2^10 <= grid_points <= 2^24 is a power of two.
double tight_epsilon(const PrivacyRun& run, Index grid_points = Index{1} << 18);

/// (epsilon, delta) of one Gaussian mechanism without sampling, exactly: the least epsilon with Phi(1 / (2 s) - epsilon
/// s) - e^epsilon Phi(-1 / (2 s) - epsilon s) <= delta for the multiplier s (Balle and Wang 2018); k steps are one with
/// s / sqrt k. Throws unless s > 0 and 0 < delta < 1.
double gaussian_mechanism_epsilon(double noise_multiplier, double delta);

struct PrivacyTarget {
  double epsilon;
  double delta;
  double sampling_rate;
  Index steps;
  Conversion conversion = Conversion::improved;
};

/// The least noise multiplier with which the steps stay within epsilon, to 8 digits from above. Throws unless epsilon >
/// 0, and when 10^4 is not enough; as privacy_spent for the rest.
double noise_multiplier_for(const PrivacyTarget& target);

}  // namespace gradus::theory
