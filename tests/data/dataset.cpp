#include "gradus/data/dataset.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "gradus/data/digits.hpp"
#include "gradus/tensor/factories.hpp"
#include "support.hpp"

using namespace gradus;

namespace {

// Sample i has x = (i, -i); classes by `labels`.
data::Dataset numbered(const std::vector<std::int64_t>& labels) {
  data::Dataset dataset;
  std::vector<float> x;
  for (std::size_t i = 0; i < labels.size(); ++i) x.insert(x.end(), {float(i), -float(i)});
  dataset.x = from_vector(x, {Index(labels.size()), 2});
  dataset.y = from_vector(labels);
  dataset.name = "numbered";
  return dataset;
}

std::vector<Index> numbers_of(const data::Dataset& dataset) {
  std::vector<Index> numbers;
  for (Index i = 0; i < dataset.size(); ++i) {
    numbers.push_back(Index(dataset.x.data<float>()[2 * i]));
    CHECK(dataset.x.data<float>()[2 * i + 1] == -dataset.x.data<float>()[2 * i]);
  }
  return numbers;
}

std::vector<std::int64_t> labels_of_counts(const std::vector<int>& counts) {
  std::vector<std::int64_t> labels;
  for (std::size_t c = 0; c < counts.size(); ++c) labels.insert(labels.end(), std::size_t(counts[c]), std::int64_t(c));
  return labels;
}

}  // namespace

TEST_CASE("a data set knows its size and classes") {
  data::Dataset dataset = numbered({0, 2, 2, 1, 2});
  CHECK(dataset.size() == 5);
  CHECK(dataset.num_classes() == 3);
  CHECK(dataset.class_counts() == std::vector<Index>{1, 1, 3});
  dataset.class_names = {"a", "b", "c", "d"};
  CHECK(dataset.num_classes() == 4);
  CHECK(dataset.class_counts() == std::vector<Index>{1, 1, 3, 0});
  const auto [x, y] = dataset;
  CHECK(x.shape() == Shape{5, 2});
  CHECK(y.shape() == Shape{5});
  dataset.class_names = {"a", "b"};
  CHECK(has(error_of([&] { (void)dataset.num_classes(); }), "label 2 of sample 1"));
  CHECK(has(error_of([] { (void)numbered({0, -1}).num_classes(); }), "label -1"));
  CHECK(has(error_of([] { (void)numbered({0, std::int64_t{1} << 62}).num_classes(); }), "no class"));
  data::Dataset regression = numbered({0, 1});
  regression.y = zeros({2, 1});
  CHECK(!regression.is_classification());
  CHECK(has(error_of([&] { (void)regression.num_classes(); }), "(2, 1)"));
  regression.y = zeros({3, 1});
  CHECK(has(error_of([&] { (void)regression.size(); }), "(3, 1)"));
  CHECK(has(error_of([] { (void)data::Dataset{}.size(); }), "undefined"));
}

TEST_CASE("a subset takes samples in the given order") {
  const data::Dataset dataset = numbered({5, 6, 7, 8});
  const data::Dataset part = dataset.subset(std::vector<Index>{3, 0, 0});
  CHECK(numbers_of(part) == std::vector<Index>{3, 0, 0});
  CHECK(to_vector<std::int64_t>(part.y) == std::vector<std::int64_t>{8, 5, 5});
  CHECK(part.name == "numbered");
  CHECK(dataset.subset(std::vector<Index>{}).size() == 0);
  CHECK(has(error_of([&] { (void)dataset.subset(std::vector<Index>{4}); }), "index 4"));
  CHECK(has(error_of([&] { (void)dataset.subset(std::vector<Index>{-1}); }), "index -1"));
}

TEST_CASE("split cuts in two, without loss or repetition") {
  for (const bool stratify : {false, true}) {
    CAPTURE(stratify);
    const data::Dataset dataset = numbered(labels_of_counts({50, 31, 20}));
    const auto [train, test] = data::split(dataset, {.test_fraction = 0.25, .stratify = stratify, .seed = 3});
    CHECK(test.size() == 25);
    CHECK(train.size() == 76);
    std::vector<Index> all = numbers_of(train), in_test = numbers_of(test);
    CHECK(!std::is_sorted(all.begin(), all.end()));  // the order is random
    all.insert(all.end(), in_test.begin(), in_test.end());
    std::sort(all.begin(), all.end());
    for (Index i = 0; i < 101; ++i) REQUIRE(all[std::size_t(i)] == i);
    // Labels stay with their samples.
    for (const data::Dataset* part : {&train, &test})
      for (Index i = 0; i < part->size(); ++i) {
        const Index number = Index(part->x.data<float>()[2 * i]);
        CHECK(part->y.data<std::int64_t>()[i] == dataset.y.data<std::int64_t>()[number]);
      }
    const auto [again, test_again] = data::split(dataset, {.test_fraction = 0.25, .stratify = stratify, .seed = 3});
    CHECK(numbers_of(test_again) == in_test);
    const auto [other, test_other] = data::split(dataset, {.test_fraction = 0.25, .stratify = stratify, .seed = 4});
    CHECK(numbers_of(test_other) != in_test);
  }
}

TEST_CASE("a stratified split keeps the shares") {
  const data::Dataset digits = data::digits();
  for (const double fraction : {0.01, 0.2, 0.5, 0.93}) {
    CAPTURE(fraction);
    const auto [train, test] = data::split(digits, {.test_fraction = fraction, .stratify = true, .seed = 1});
    CHECK(test.size() == std::llround(1797 * fraction));
    const std::vector<Index> all = digits.class_counts(), part = test.class_counts();
    for (std::size_t c = 0; c < 10; ++c)
      CHECK(std::abs(double(part[c]) - double(all[c]) * double(test.size()) / 1797) < 1);
  }
  // The smallest class is in both parts, whatever the fraction.
  const auto [train, test] =
      data::split(numbered(labels_of_counts({2, 500})), {.test_fraction = 0.01, .stratify = true});
  CHECK(test.class_counts()[0] == 1);
  CHECK(train.class_counts()[0] == 1);
}

TEST_CASE("split says what is impossible") {
  const data::Dataset dataset = numbered(labels_of_counts({5, 5}));
  for (const double fraction : {0.0, 1.0, -0.5, 1.5, std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK(has(error_of([&] { (void)data::split(dataset, {.test_fraction = fraction}); }), "test_fraction"));
  CHECK(has(error_of([&] { (void)data::split(dataset, {.test_fraction = 0.01}); }), "every part needs at least one"));
  CHECK(has(error_of([&] { (void)data::split(dataset, {.test_fraction = 0.99}); }), "every part needs at least one"));
  CHECK(has(error_of([] { (void)data::split(numbered({})); }), "0 samples"));
  CHECK(has(error_of([] { (void)data::split(numbered({0, 0, 0, 1}), {.stratify = true}); }), "class 1"));
  data::Dataset named = numbered({0, 0, 0, 0, 2, 2});
  named.class_names = {"ant", "bee", "cat"};
  CHECK(has(error_of([&] { (void)data::split(named, {.stratify = true}); }), "class 1 ('bee')"));
  data::Dataset regression = dataset;
  regression.y = zeros({10, 1});
  CHECK(has(error_of([&] { (void)data::split(regression, {.stratify = true}); }), "(10, 1)"));
  CHECK(data::split(regression).second.size() == 2);
}

TEST_CASE("three parts") {
  const data::Dataset dataset = numbered(labels_of_counts({60, 40}));
  for (const bool stratify : {false, true}) {
    const data::ThreeParts parts =
        data::split_three(dataset, {.validation_fraction = 0.2, .test_fraction = 0.3, .stratify = stratify, .seed = 5});
    CHECK(parts.train.size() == 50);
    CHECK(parts.validation.size() == 20);
    CHECK(parts.test.size() == 30);
    if (stratify) {
      CHECK(parts.train.class_counts() == std::vector<Index>{30, 20});
      CHECK(parts.validation.class_counts() == std::vector<Index>{12, 8});
      CHECK(parts.test.class_counts() == std::vector<Index>{18, 12});
    }
    std::set<Index> all;
    for (const data::Dataset* part : {&parts.train, &parts.validation, &parts.test})
      for (const Index number : numbers_of(*part)) CHECK(all.insert(number).second);
    CHECK(all.size() == 100);
    const auto [train, test] = data::split(dataset, {.test_fraction = 0.3, .stratify = stratify, .seed = 5});
    CHECK(numbers_of(test) == numbers_of(parts.test));
  }
  CHECK(has(error_of([&] { (void)data::split_three(dataset, {.validation_fraction = 0.5, .test_fraction = 0.5}); }),
            "nothing to train on"));
}

TEST_CASE("folds") {
  const data::Dataset dataset = numbered(labels_of_counts({11, 7, 5}));
  for (const bool stratify : {false, true}) {
    const std::vector<data::Fold> folds = data::k_fold(dataset, {.folds = 5, .stratify = stratify, .seed = 2});
    REQUIRE(folds.size() == 5);
    std::vector<int> seen(23);
    for (const data::Fold& fold : folds) {
      CHECK((fold.test.size() == 4 || fold.test.size() == 5));
      CHECK(fold.train.size() + fold.test.size() == 23);
      std::set<Index> all(fold.train.begin(), fold.train.end());
      all.insert(fold.test.begin(), fold.test.end());
      CHECK(all.size() == 23);
      for (const Index i : fold.test) ++seen[std::size_t(i)];
      if (!stratify) continue;
      const std::vector<Index> counts = dataset.subset(fold.test).class_counts();
      CHECK((counts[0] == 2 || counts[0] == 3));
      CHECK((counts[1] == 1 || counts[1] == 2));
      CHECK(counts[2] == 1);
    }
    CHECK(seen == std::vector<int>(23, 1));
  }
  CHECK(has(error_of([&] { (void)data::k_fold(dataset, {.folds = 1}); }), "1 folds"));
  CHECK(has(error_of([&] { (void)data::k_fold(dataset, {.folds = 24}); }), "24 folds"));
  CHECK(has(error_of([&] { (void)data::k_fold(dataset, {.folds = 6, .stratify = true}); }), "class 2"));
}
