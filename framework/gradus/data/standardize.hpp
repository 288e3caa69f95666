#pragma once
// Shifting and scaling features to mean 0 and standard deviation 1, with numbers taken from the training part alone.
//
//   const data::Standardize scale{train_set.x};
//   train_set = scale(train_set), test_set = scale(test_set);
#include <vector>

#include "gradus/data/dataset.hpp"

namespace gradus::data {

/// (x - mean) / deviation, per index of axis 1: per feature of (n, d), per channel of (n, c, h, w).
class Standardize {
 public:
  /// Takes mean and standard deviation (of the numbers themselves: divided by their count) over all axes but axis 1.
  /// Throws unless x is floating, of at least two axes, not empty and finite.
  explicit Standardize(const Tensor& x);
  /// With numbers known beforehand, one per index of axis 1. Throws unless there are equally many, finite, the
  /// deviations above 0.
  Standardize(std::vector<double> mean, std::vector<double> deviation);

  /// A tensor like x. Throws when axis 1 has another size than it had.
  Tensor operator()(const Tensor& x) const;
  /// The data set with its x so treated; y and all else are the same.
  Dataset operator()(const Dataset& dataset) const;
  /// The reverse: x * deviation + mean, e.g. for predictions of targets that were standardised.
  Tensor inverse(const Tensor& x) const;

  const std::vector<double>& mean() const { return mean_; }
  /// 1 where all numbers were equal, so that such a feature becomes 0.
  const std::vector<double>& deviation() const { return deviation_; }

 private:
  std::vector<double> mean_, deviation_;
};

/// (x - mean) / deviation per channel of images (n, c, h, w): normalize(x, {0.1307}, {0.3081}).
Tensor normalize(const Tensor& x, const std::vector<double>& mean, const std::vector<double>& deviation);

}  // namespace gradus::data
