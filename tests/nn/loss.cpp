#include "gradus/nn/loss.hpp"

#include <cmath>
#include <limits>

#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
using nn::Reduction;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Straight from the definition, for (N, C) scores.
double naive_cross_entropy(const Tensor& logits, const std::vector<std::int64_t>& labels,
                           const std::vector<double>& weight, double smoothing, std::int64_t ignored, bool average) {
  const Index classes = logits.size(1);
  double total = 0, weights = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == ignored) continue;
    const double* x = logits.data<double>() + Index(i) * classes;
    double denominator = 0;
    for (Index c = 0; c < classes; ++c) denominator += std::exp(x[c]);
    const auto loss = [&](std::size_t c) { return -weight[c] * std::log(std::exp(x[c]) / denominator); };
    total += (1 - smoothing) * loss(std::size_t(labels[i]));
    for (std::size_t c = 0; c < std::size_t(classes); ++c) total += smoothing / double(classes) * loss(c);
    weights += weight[std::size_t(labels[i])];
  }
  return average ? total / weights : total;
}

}  // namespace

TEST_CASE("cross_entropy is the logarithm of the label's probability") {
  CHECK(nn::cross_entropy(zeros({4, 10}), labels_of({0, 3, 9, 5})).item() == doctest::Approx(std::log(10.0)));
  const std::vector<std::int64_t> labels{2, 0, 4, 1, 1, 3, 0};
  const Tensor x = normal_numbers({7, 5}) * 2.0, y = labels_of(labels);
  const std::vector<double> ones(5, 1.0), weights{0.5, 2, 0, 1, 3};
  const Tensor w = from_vector(weights);
  for (const double smoothing : {0.0, 0.05, 0.3, 1.0}) {
    for (const std::int64_t ignored : {-100, 1, 0}) {
      CAPTURE(smoothing);
      CAPTURE(ignored);
      CHECK(nn::cross_entropy(x, y, {.ignore_index = ignored, .label_smoothing = smoothing}).item() ==
            doctest::Approx(naive_cross_entropy(x, labels, ones, smoothing, ignored, true)).epsilon(1e-12));
      CHECK(nn::cross_entropy(x, y, {.weight = w, .ignore_index = ignored, .label_smoothing = smoothing}).item() ==
            doctest::Approx(naive_cross_entropy(x, labels, weights, smoothing, ignored, true)).epsilon(1e-12));
      CHECK(nn::cross_entropy(
                x, y, {.weight = w, .ignore_index = ignored, .reduction = Reduction::sum, .label_smoothing = smoothing})
                .item() ==
            doctest::Approx(naive_cross_entropy(x, labels, weights, smoothing, ignored, false)).epsilon(1e-12));
      const Tensor each = nn::cross_entropy(
          x, y, {.weight = w, .ignore_index = ignored, .reduction = Reduction::none, .label_smoothing = smoothing});
      REQUIRE(each.shape() == Shape{7});
      for (Index i = 0; i < 7; ++i)
        CHECK(each.data<double>()[i] ==
              doctest::Approx(naive_cross_entropy(x.slice(0, i, i + 1), {labels[std::size_t(i)]}, weights, smoothing,
                                                  ignored, false))
                  .epsilon(1e-12));
    }
  }
}

TEST_CASE("cross_entropy takes classes on axis 1, whatever follows") {
  for (const Shape& rest : {Shape{3}, Shape{2, 3}, Shape{70}, Shape{1}, Shape{0}}) {
    Shape shape{2, 5}, positions{2};
    for (const Index size : rest) shape.push_back(size), positions.push_back(size);
    const Tensor x = normal_numbers(shape), y = randint(0, 5, positions);
    // The same with the classes last.
    const Tensor rows = x.reshape({2, 5, rest.numel()}).transpose(1, 2).reshape({2 * rest.numel(), 5});
    for (const Reduction reduction : {Reduction::sum, Reduction::none}) {
      const Tensor got = nn::cross_entropy(x, y, {.reduction = reduction, .label_smoothing = 0.1});
      const Tensor expected =
          nn::cross_entropy(rows, y.reshape({y.numel()}), {.reduction = reduction, .label_smoothing = 0.1});
      CHECK(got.shape() == (reduction == Reduction::none ? positions : Shape{}));
      CHECK(largest_difference(got.reshape(expected.shape()), expected) < 1e-12);
    }
  }
  const Tensor single = tensor({1, 2, 3});
  CHECK(nn::cross_entropy(single, full({}, 2, {.dtype = int64})).item() ==
        doctest::Approx(nn::cross_entropy(single.unsqueeze(0), labels_of({2})).item()));
}

TEST_CASE("cross_entropy has derivatives of any order, on both roads") {
  const Tensor y = labels_of({2, 0, 4, 1, 1, 3, 0}), w = tensor({0.5, 2, 0, 1, 3}, {.dtype = float64});
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
    for (const double smoothing : {0.0, 0.2})
      for (const std::int64_t ignored : {-100, 1}) {
        check_derivatives(
            [&](const std::vector<Tensor>& in) {
              return nn::cross_entropy(in[0], y,
                                       {.ignore_index = ignored, .reduction = reduction, .label_smoothing = smoothing});
            },
            {leaf({7, 5})});
        check_derivatives(
            [&](const std::vector<Tensor>& in) {
              return nn::cross_entropy(
                  in[0], y,
                  {.weight = w, .ignore_index = ignored, .reduction = reduction, .label_smoothing = smoothing});
            },
            {leaf({7, 5})});
      }
  const Tensor image = labels_of({2, 0, 1, 1, 0, 2}).reshape({1, 2, 3});
  for (const Reduction reduction : {Reduction::mean, Reduction::none})
    check_derivatives(
        [&](const std::vector<Tensor>& in) {
          return nn::cross_entropy(in[0], image, {.ignore_index = 1, .reduction = reduction, .label_smoothing = 0.1});
        },
        {leaf({1, 3, 2, 3})});
  check_derivatives(
      [](const std::vector<Tensor>& in) { return nn::cross_entropy(in[0], full({}, 1, {.dtype = int64})); },
      {leaf({4})});
  check_derivatives([](const std::vector<Tensor>& in) { return nn::cross_entropy(in[0], labels_of({1})); },
                    {leaf({1, 4})});
}

TEST_CASE("cross_entropy survives extreme scores") {
  for (const DType dtype : {float32, float64}) {
    const Tensor x = tensor({{1e4, -1e4, 0}, {-1e4, 0, 1e4}}, {.dtype = dtype, .requires_grad = true});
    CHECK(nn::cross_entropy(x, labels_of({0, 2})).item() == 0);
    const Tensor loss = nn::cross_entropy(x, labels_of({1, 0}));
    CHECK(loss.item() == doctest::Approx(2e4));
    const Tensor g = grad(loss, x);
    CHECK(allclose(g, tensor({{0.5, -0.5, 0}, {-0.5, 0, 0.5}}, {.dtype = dtype})));
    // A class that is excluded counts for nothing.
    const Tensor masked = tensor({{-infinity, 1, 2}}, {.dtype = dtype, .requires_grad = true});
    const Tensor rest = nn::cross_entropy(masked, labels_of({2}));
    CHECK(rest.item() == doctest::Approx(std::log1p(std::exp(-1.0))));
    const Tensor gm = grad(rest, masked);
    CHECK(gm.slice(1, 0, 1).item() == 0);
    CHECK(isfinite(gm).sum().item() == 3);
    CHECK(nn::cross_entropy(masked, labels_of({0})).item() == infinity);
    CHECK(std::isnan(nn::cross_entropy(tensor({{NAN, 1, 2}}, {.dtype = dtype}), labels_of({2})).item()));
  }
}

TEST_CASE("cross_entropy of nothing is NaN on average and 0 in sum") {
  CHECK(std::isnan(nn::cross_entropy(zeros({0, 3}), zeros({0}, {.dtype = int64})).item()));
  CHECK(nn::cross_entropy(zeros({0, 3}), zeros({0}, {.dtype = int64}), {.reduction = Reduction::sum}).item() == 0);
  const Tensor x = leaf({2, 3});
  const Tensor loss = nn::cross_entropy(x, labels_of({-100, -100}));
  CHECK(std::isnan(loss.item()));
  CHECK(grad(loss, x).abs().sum().item() == 0);
}

TEST_CASE("cross_entropy does not depend on the number of threads") {
  const Tensor y = randint(0, 67, {1001}), y2 = randint(0, 11, {5, 300});
  check_threads([&](const std::vector<Tensor>& in) { return nn::cross_entropy(in[0], y, {.label_smoothing = 0.1}); },
                {leaf({1001, 67})});
  check_threads([&](const std::vector<Tensor>& in) { return nn::cross_entropy(in[0], y2); }, {leaf({5, 11, 300})});
}

TEST_CASE("cross_entropy says what does not fit") {
  const Tensor a = zeros({2, 3});
  check_error([&] { (void)nn::cross_entropy(a, full({2}, 3, {.dtype = int64})); },
              {"cross_entropy: label 3 at position 0 is out of range", "(2, 3)", "0 to 2"});
  check_error([&] { (void)nn::cross_entropy(a, labels_of({1, -1})); }, {"cross_entropy", "-1", "position 1"});
  check_error([&] { (void)nn::cross_entropy(a, a); }, {"cross_entropy", "int64", "float32", "soft_cross_entropy"});
  check_error([&] { (void)nn::cross_entropy(a, labels_of({1})); }, {"cross_entropy", "(2, 3)", "(2)", "(1)"});
  check_error(
      [&] {
        (void)nn::cross_entropy(a, labels_of({1, 1}), {.label_smoothing = 1.5});
      },
      {"label_smoothing", "1.5"});
  check_error(
      [&] {
        (void)nn::cross_entropy(a, labels_of({1, 1}), {.weight = zeros({2})});
      },
      {"cross_entropy", "(2)", "(3)"});
  check_error(
      [&] {
        (void)nn::cross_entropy(a, labels_of({1, 1}), {.weight = leaf({3}).to(float32)});
      },
      {"cross_entropy", "constants"});
  check_error([&] { (void)nn::cross_entropy(zeros({2, 0}), labels_of({1, 1})); }, {"cross_entropy", "no classes"});
  check_error([&] { (void)nn::cross_entropy(zeros({}), labels_of({1})); }, {"cross_entropy", "scalar"});
}
