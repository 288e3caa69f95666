#include "gradus/train/metrics.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::train;

TEST_CASE("accuracy counts rows whose largest entry is at the label, the first of equal ones") {
  const Tensor scores = tensor({{1, 2, 3}, {3, 2, 1}, {0, 5, 0}, {1, 1, 0}});
  CHECK(accuracy(scores, tensor({2, 0, 1, 0}, {.dtype = int64})) == 1);
  CHECK(accuracy(scores, tensor({2, 0, 1, 1}, {.dtype = int64})) == 0.75);
  CHECK(accuracy(scores, tensor({0, 1, 2, 2}, {.dtype = int64})) == 0);
  CHECK(accuracy(scores.to(float64), tensor({2, 0, 0, 1}, {.dtype = int64})) == 0.5);
  CHECK(std::isnan(accuracy(zeros({0, 3}), zeros({0}, {.dtype = int64}))));
}

TEST_CASE("top_k_accuracy") {
  const Tensor scores = tensor({{1, 2, 3}, {3, 2, 1}, {0, 5, 0}, {1, 1, 0}});
  const Tensor labels = tensor({1, 2, 2, 1}, {.dtype = int64});
  CHECK(top_k_accuracy(scores, labels, 1) == accuracy(scores, labels));
  CHECK(top_k_accuracy(scores, labels, 2) == 0.5);
  CHECK(top_k_accuracy(scores, labels, 3) == 1);
  CHECK(top_k_accuracy(scores, labels, 9) == 1);
  // A score that is NaN is no success, whatever k.
  CHECK(top_k_accuracy(full({1, 2}, std::nan("")), tensor({0}, {.dtype = int64}), 2) == 0);
  CHECK(thrown([&] { (void)top_k_accuracy(scores, labels, 0); }).find("k is 0") != std::string::npos);
}

TEST_CASE("confusion_matrix has the true classes as rows") {
  const Tensor m = confusion_matrix(tensor({{1, 0}, {1, 0}, {0, 1}}), tensor({0, 1, 1}, {.dtype = int64}));
  CHECK(to_vector<std::int64_t>(m) == std::vector<std::int64_t>{1, 0, 1, 1});
}

TEST_CASE("r2_score is 1 for a perfect prediction, 0 for the mean") {
  const Tensor y = tensor({{1, 2}, {3, 6}});
  CHECK(r2_score(y, y) == 1);
  CHECK(r2_score(full({2, 2}, 3), y) == 0);
  CHECK(r2_score(tensor({{1, 2}, {3, 4}}), y) == doctest::Approx(1 - 4.0 / 14));
  CHECK(thrown([&] { (void)r2_score(zeros({4}), y); }).find("(2, 2)") != std::string::npos);
}

TEST_CASE("metrics refuse what does not fit") {
  const auto says = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  says(thrown([] { (void)accuracy(zeros({2, 3}), zeros({2})); }), "int64");
  says(thrown([] { (void)accuracy(zeros({2, 3}), zeros({3}, {.dtype = int64})); }), "(2, 3)");
  says(thrown([] { (void)accuracy(zeros({2, 3}), full({2}, 3, {.dtype = int64})); }), "label 3");
  says(thrown([] { (void)accuracy(zeros({2, 3}), full({2}, -1, {.dtype = int64})); }), "label -1");
  says(thrown([] { (void)confusion_matrix(zeros({2}), zeros({2}, {.dtype = int64})); }), "confusion_matrix");
}
