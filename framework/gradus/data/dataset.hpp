#pragma once
// A data set: samples and what is to be said about each, in memory.
//
//   const data::Dataset digits = data::digits();
//   const auto [train_set, test_set] = data::split(digits, {.test_fraction = 0.2, .stratify = true});
//   const auto [x, y] = train_set;
#include <cstddef>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus::data {

/// Which part of a data set that is published in two parts.
enum class Split { train, test };

struct Dataset {
  Tensor x;                                ///< (n, ...), float32: one sample per index of the first axis
  Tensor y;                                ///< (n) int64: the class of each sample; or (n, k) float32 for regression
  std::vector<std::string> class_names;    ///< what class 0, 1, ... is called; empty for regression
  std::vector<std::string> feature_names;  ///< what the columns of x are called; empty where they have no names
  std::string name;                        ///< for messages and reports

  /// The number of samples. Throws unless x and y are defined and hold equally many.
  Index size() const;
  /// True when y holds classes: (n) int64.
  bool is_classification() const;
  /// The number of classes: of names, or where there are none the largest label plus 1. Throws unless y is (n) int64
  /// with labels of at least 0 and, where there are names, below their number.
  Index num_classes() const;
  /// How many samples each class has: num_classes() numbers.
  std::vector<Index> class_counts() const;
  /// A copy of the samples with these indices, in their order; an index may come more than once. Throws for one outside
  /// [0, n).
  Dataset subset(std::span<const Index> indices) const;

  /// `const auto [x, y] = dataset;`
  template <std::size_t I>
  const Tensor& get() const {
    static_assert(I < 2);
    if constexpr (I == 0)
      return x;
    else
      return y;
  }
};

struct SplitOptions {
  double test_fraction = 0.2;  ///< of all samples, rounded to whole ones
  bool stratify =
      false;  ///< both parts keep the shares of the classes, to within one sample, and have at least one of each
  std::uint64_t seed = 0;  ///< the same seed gives the same parts
};

/// The samples in random order, cut in two: (train, test). Throws when the fraction is not in (0, 1) or leaves a part
/// empty; with `stratify` also for regression, and for a class with fewer than two samples.
std::pair<Dataset, Dataset> split(const Dataset& dataset, const SplitOptions& options = {});

struct ThreeWayOptions {
  double validation_fraction = 0.1;  ///< of all samples
  double test_fraction = 0.2;        ///< of all samples
  bool stratify = false;
  std::uint64_t seed = 0;
};

struct ThreeParts {
  Dataset train, validation, test;
};

/// The same with a part for choosing among models. The test part is that of split() with the same seed and fraction.
ThreeParts split_three(const Dataset& dataset, const ThreeWayOptions& options = {});

struct FoldOptions {
  Index folds = 5;
  bool stratify = false;  ///< every fold has each class in its share, to within one sample
  std::uint64_t seed = 0;
};

/// One round of cross-validation, as indices for Dataset::subset.
struct Fold {
  std::vector<Index> train, test;
};

/// Cross-validation: every sample is in the test part of exactly one fold. Throws unless 2 <= folds <= n; with
/// `stratify` also for a class with fewer samples than folds.
std::vector<Fold> k_fold(const Dataset& dataset, const FoldOptions& options = {});

}  // namespace gradus::data

template <>
struct std::tuple_size<gradus::data::Dataset> : std::integral_constant<std::size_t, 2> {};
template <std::size_t I>
struct std::tuple_element<I, gradus::data::Dataset> {
  using type = gradus::Tensor;
};
