#include "gradus/data/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "gradus/core/format.hpp"
#include "gradus/kernels/movement.hpp"
#include "gradus/kernels/random.hpp"

namespace gradus::data {
namespace {

// For messages: "data set 'iris'", or "data set" when it has no name.
std::string title(const Dataset& dataset) {
  return dataset.name.empty() ? std::string("the data set") : fmt::format("the data set '{}'", dataset.name);
}

Tensor rows(const Tensor& x, std::span<const Index> indices) {
  Shape shape = x.shape();
  const Index inner = shape.product(1, shape.size()), n = shape[0];
  shape[0] = Index(indices.size());
  Tensor out = Tensor::make("subset", shape, x.dtype());
  dispatch(x.dtype(), [&]<class T> {
    kernels::index_select(x.data<T>(), indices.data(), out.data<T>(), 1, n, inner, Index(indices.size()));
  });
  return out;
}

std::vector<Index> random_order(Index n, std::uint64_t seed) {
  std::vector<Index> order(static_cast<std::size_t>(n));
  kernels::permutation(Generator(seed).split("split").next(), order.data(), n);
  return order;
}

std::string class_title(const Dataset& dataset, std::size_t label) {
  return label < dataset.class_names.size() ? fmt::format("{} ('{}')", label, dataset.class_names[label])
                                            : fmt::format("{}", label);
}

// Checks what stratification asks for and returns how many samples each class has.
std::vector<Index> counts_for_strata(const char* operation, const Dataset& dataset, Index least) {
  if (!dataset.is_classification())
    failf(operation, "{} has targets y of {} {}; stratify needs classes, (n) int64", title(dataset), dataset.y.dtype(),
          dataset.y.shape());
  const std::vector<Index> counts = dataset.class_counts();
  for (std::size_t c = 0; c < counts.size(); ++c)
    if (counts[c] < least)
      failf(operation,
            "class {} of {} has {} samples; stratify needs at least {}, one for each part. Hint: .stratify = false",
            class_title(dataset, c), title(dataset), counts[c], least);
  return counts;
}

void check_fraction(const char* operation, const char* what, double fraction) {
  if (!(fraction > 0 && fraction < 1)) failf(operation, "{} is {}; it must lie between 0 and 1", what, fraction);
}

// `total` shared out in proportion to `counts` by largest remainders: every share is the exact one rounded up or down,
// but at least 1 and at most count - 1.
std::vector<Index> proportional(const std::vector<Index>& counts, Index total) {
  const Index n = std::accumulate(counts.begin(), counts.end(), Index{0});
  std::vector<Index> shares(counts.size());
  std::vector<std::pair<double, std::size_t>> remainders;
  Index given = 0;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    const double exact = double(total) * double(counts[c]) / double(n);
    shares[c] = std::clamp<Index>(Index(exact), 1, counts[c] - 1);
    given += shares[c];
    remainders.emplace_back(exact - double(shares[c]), c);
  }
  std::stable_sort(remainders.begin(), remainders.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [remainder, c] : remainders) {
    if (given >= total) break;
    if (remainder > 0 && shares[c] + 1 < counts[c]) ++shares[c], ++given;
  }
  return shares;
}

struct Parts {
  std::vector<Index> rest, taken;
};

// Walks through `order` and takes samples until their number, or that of their class, is reached.
Parts take(const char* operation, const Dataset& dataset, const std::vector<Index>& order, Index wanted,
           bool stratify) {
  Parts parts;
  if (!stratify) {
    parts.taken.assign(order.begin(), order.begin() + wanted);
    parts.rest.assign(order.begin() + wanted, order.end());
    return parts;
  }
  const std::int64_t* labels = dataset.y.data<std::int64_t>();
  std::vector<Index> counts(static_cast<std::size_t>(dataset.num_classes()));
  for (const Index i : order) ++counts[std::size_t(labels[i])];
  for (std::size_t c = 0; c < counts.size(); ++c)
    if (counts[c] < 2)
      failf(operation,
            "class {} of {} has {} samples left to share out; stratify needs at least 2. Hint: .stratify = false",
            class_title(dataset, c), title(dataset), counts[c]);
  std::vector<Index> quota = proportional(counts, wanted);
  for (const Index i : order) {
    Index& left = quota[std::size_t(labels[i])];
    (left > 0 ? parts.taken : parts.rest).push_back(i);
    if (left > 0) --left;
  }
  return parts;
}

Index wanted_samples(const char* operation, const char* what, const Dataset& dataset, double fraction, Index most) {
  const Index n = dataset.size(), wanted = std::llround(double(n) * fraction);
  if (wanted < 1 || wanted > most)
    failf(operation, "{} = {} of the {} samples of {} is {}; every part needs at least one", what, fraction, n,
          title(dataset), wanted);
  return wanted;
}

}  // namespace

Index Dataset::size() const {
  if (!x.defined() || !y.defined()) failf("dataset", "{} of {} is undefined", x.defined() ? "y" : "x", title(*this));
  if (x.dim() < 1 || y.dim() < 1 || x.size(0) != y.size(0))
    failf("dataset", "{} has x of shape {} and y of shape {}; their first axes must agree", title(*this), x.shape(),
          y.shape());
  return x.size(0);
}

bool Dataset::is_classification() const { return y.dtype() == int64 && y.dim() == 1; }

Index Dataset::num_classes() const { return Index(class_counts().size()); }

std::vector<Index> Dataset::class_counts() const {
  const Index n = size();
  if (!is_classification())
    failf("dataset", "{} has no classes: its y is {} {}, not int64 (n)", title(*this), y.dtype(), y.shape());
  const std::int64_t* labels = y.data<std::int64_t>();
  // Without names the labels themselves say how many classes there are; a label far beyond n is no class.
  const Index limit = class_names.empty() ? std::max<Index>(1'000'000, n) : Index(class_names.size());
  Index most = Index(class_names.size());
  for (Index i = 0; i < n; ++i) {
    if (labels[i] < 0 || labels[i] >= limit)
      failf("dataset", "label {} of sample {} of {} is no class; labels lie in [0, {})", labels[i], i, title(*this),
            limit);
    most = std::max<Index>(most, labels[i] + 1);
  }
  std::vector<Index> counts(static_cast<std::size_t>(most));
  for (Index i = 0; i < n; ++i) ++counts[std::size_t(labels[i])];
  return counts;
}

Dataset Dataset::subset(std::span<const Index> indices) const {
  const Index n = size();
  for (const Index i : indices)
    if (i < 0 || i >= n) failf("subset", "index {} is outside [0, {}), the samples of {}", i, n, title(*this));
  return {rows(x, indices), rows(y, indices), class_names, feature_names, name};
}

std::pair<Dataset, Dataset> split(const Dataset& dataset, const SplitOptions& options) {
  check_fraction("split", "test_fraction", options.test_fraction);
  const Index n = dataset.size();
  const Index test = wanted_samples("split", "test_fraction", dataset, options.test_fraction, n - 1);
  if (options.stratify) (void)counts_for_strata("split", dataset, 2);
  const Parts parts = take("split", dataset, random_order(n, options.seed), test, options.stratify);
  return {dataset.subset(parts.rest), dataset.subset(parts.taken)};
}

ThreeParts split_three(const Dataset& dataset, const ThreeWayOptions& options) {
  check_fraction("split_three", "validation_fraction", options.validation_fraction);
  check_fraction("split_three", "test_fraction", options.test_fraction);
  if (options.validation_fraction + options.test_fraction >= 1)
    failf("split_three", "validation_fraction {} and test_fraction {} leave nothing to train on",
          options.validation_fraction, options.test_fraction);
  const Index n = dataset.size();
  const Index test = wanted_samples("split_three", "test_fraction", dataset, options.test_fraction, n - 2);
  const Index validation =
      wanted_samples("split_three", "validation_fraction", dataset, options.validation_fraction, n - test - 1);
  if (options.stratify) (void)counts_for_strata("split_three", dataset, 3);
  const Parts first = take("split_three", dataset, random_order(n, options.seed), test, options.stratify);
  const Parts second = take("split_three", dataset, first.rest, validation, options.stratify);
  return {dataset.subset(second.rest), dataset.subset(second.taken), dataset.subset(first.taken)};
}

std::vector<Fold> k_fold(const Dataset& dataset, const FoldOptions& options) {
  const Index n = dataset.size();
  if (options.folds < 2 || options.folds > n)
    failf("k_fold", "{} folds of the {} samples of {}; at least 2 and at most {} are possible", options.folds, n,
          title(dataset), n);
  std::vector<Index> order = random_order(n, options.seed);
  if (options.stratify) {
    (void)counts_for_strata("k_fold", dataset, options.folds);
    // Class after class, dealt out like cards: each fold gets its share of every class, and sizes differ by at most
    // one.
    const std::int64_t* labels = dataset.y.data<std::int64_t>();
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return labels[a] < labels[b]; });
  }
  std::vector<Index> fold_of(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < order.size(); ++i) fold_of[std::size_t(order[i])] = Index(i) % options.folds;
  std::vector<Fold> folds(static_cast<std::size_t>(options.folds));
  for (Index f = 0; f < options.folds; ++f)
    for (Index i = 0; i < n; ++i)
      (fold_of[std::size_t(i)] == f ? folds[std::size_t(f)].test : folds[std::size_t(f)].train).push_back(i);
  return folds;
}

}  // namespace gradus::data
