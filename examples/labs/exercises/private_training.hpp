#pragma once
// The exercises of the lab private_training (docs/labs/private_training.md). Replace each call of to_do() by your answer and run
//   make check LAB=private_training EXERCISE=1
#include <cstdint>
#include <functional>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The standard deviation of the noise in one coordinate of DP-SGD's mean gradient.
inline double noise_deviation(double sigma, double clipping_norm, double batch_size) {
  (void)sigma, (void)clipping_norm, (void)batch_size;
  return to_do("noise of deviation sigma C is added to the sum over the batch; what is done to the sum afterwards?");
}

// 2, change one thing. Clipping multiplies a gradient by min(1, C / norm). Change it so that every gradient ends with a norm of C exactly,
// whatever it was (Bu et al. 2023 do so, for sums need no more than a bound), except that a gradient of 0 stays.
inline double normalising_factor(double norm, double clipping_norm) {
  (void)norm, (void)clipping_norm;
  return to_do("C / norm; and what is 0 / 0?");
}

// 3, implement. The Renyi divergence of one step at a whole order >= 2, for sampling rate q and noise multiplier s:
//   log(sum over k = 0..order of binomial(order, k) (1 - q)^(order - k) q^k e^(k (k - 1) / (2 s^2))) / (order - 1).
inline double renyi(double q, double s, int order) {
  (void)q, (void)s, (void)order;
  return to_do("binomial(order, k + 1) = binomial(order, k) (order - k) / (k + 1)");
}

// 4, open. A run of 1000 steps at sampling rate 0.01 may give away `budget` (delta 1e-5); `epsilon(sigma)` is what it gives away with that
// noise multiplier. Return one within 1 % of the least.
inline double enough_noise(const std::function<double(double)>& epsilon, double budget) {
  (void)epsilon, (void)budget;
  return to_do("epsilon falls with sigma: find an interval, and halve it");
}

}  // namespace exercise
