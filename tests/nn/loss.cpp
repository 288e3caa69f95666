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

TEST_CASE("cross_entropy keeps the digits of a small loss beside large scores") {
  // log(1 + exp(-10)) = 4.5398899e-5, while floats near 1e4 are a thousandth apart.
  for (const double offset : {0.0, 100.0, 8192.0}) {
    const Tensor x = tensor({{offset, offset - 10}}, {.requires_grad = true});
    const Tensor loss = nn::cross_entropy(x, labels_of({0}));
    CHECK(loss.item() == doctest::Approx(std::log1p(std::exp(-10.0))).epsilon(2e-3));
    const double p = 1 / (1 + std::exp(10.0));
    const Tensor g = grad(loss, x);
    CHECK(g.data<float>()[1] == doctest::Approx(p).epsilon(1e-6));
    CHECK(nn::cross_entropy(x.reshape({1, 2, 1}), labels_of({0}).reshape({1, 1})).item() == loss.item());
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

TEST_CASE("nll_loss of log_softmax is cross_entropy") {
  const Tensor x = normal_numbers({7, 5}), y = labels_of({2, 0, 4, 1, 1, 3, 0});
  const Tensor w = tensor({0.5, 2, 0, 1, 3}, {.dtype = float64});
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
    for (const std::int64_t ignored : {-100, 1})
      CHECK(largest_difference(
                nn::nll_loss(log_softmax(x, 1), y, {.weight = w, .ignore_index = ignored, .reduction = reduction}),
                nn::cross_entropy(x, y, {.weight = w, .ignore_index = ignored, .reduction = reduction})) < 1e-13);
  const Tensor image = normal_numbers({2, 3, 70}), places = randint(0, 3, {2, 70});
  CHECK(largest_difference(nn::nll_loss(log_softmax(image, 1), places), nn::cross_entropy(image, places)) < 1e-13);
  check_derivatives([&](const std::vector<Tensor>& in) { return square(nn::nll_loss(in[0], y, {.weight = w})); },
                    {leaf({7, 5})});
  check_derivatives(
      [&](const std::vector<Tensor>& in) {
        return square(nn::nll_loss(in[0], places, {.ignore_index = 1, .reduction = Reduction::none}));
      },
      {leaf({2, 3, 70})});
  check_error([&] { (void)nn::nll_loss(x, labels_of({0, 1, 2, 3, 4, 5, 0})); }, {"nll_loss", "label 5 at position 5"});
}

TEST_CASE("soft_cross_entropy generalises cross_entropy") {
  const Tensor x = normal_numbers({7, 5}), y = labels_of({2, 0, 4, 1, 1, 3, 0});
  const Tensor hard = one_hot(y, 5).to(float64);
  CHECK(largest_difference(nn::soft_cross_entropy(x, hard), nn::cross_entropy(x, y)) < 1e-13);
  CHECK(largest_difference(nn::soft_cross_entropy(x, hard * 0.9 + 0.02),
                           nn::cross_entropy(x, y, {.label_smoothing = 0.1})) < 1e-13);
  const Tensor masked = tensor({{-infinity, 1, 2}}, {.dtype = float64, .requires_grad = true});
  const Tensor loss = nn::soft_cross_entropy(masked, tensor({{0, 0.5, 0.5}}, {.dtype = float64}));
  CHECK(loss.item() == doctest::Approx(std::log1p(std::exp(-1.0)) + 0.5));
  CHECK(isfinite(grad(loss, masked)).sum().item() == 3);
  check_derivatives([](const std::vector<Tensor>& in) { return nn::soft_cross_entropy(in[0], softmax(in[1], 1)); },
                    {leaf({4, 3, 2}, 1), leaf({4, 3, 2}, 2)});
  check_error(
      [&] {
        (void)nn::soft_cross_entropy(x, normal_numbers({7, 4}));
      },
      {"soft_cross_entropy", "(7, 5)", "(7, 4)"});
}

namespace {

// A loss of pairs: the function under test, the definition, and numbers that suit it.
struct Pair {
  const char* name;
  std::function<Tensor(const Tensor&, const Tensor&, Reduction)> loss;
  std::function<double(double, double)> definition;
  Tensor a, b;
};

std::vector<Pair> pairs(const Shape& shape) {
  const Tensor x = normal_numbers(shape, 1) * 2.0, y = normal_numbers(shape, 2);
  const Tensor p = sigmoid(x), q = sigmoid(y);
  const auto bce = [](double a, double b) { return -b * std::log(a) - (1 - b) * std::log(1 - a); };
  return {
      {"mse", [](auto& a, auto& b, Reduction r) { return nn::mse_loss(a, b, {.reduction = r}); },
       [](double a, double b) { return (a - b) * (a - b); }, x, y},
      {"l1", [](auto& a, auto& b, Reduction r) { return nn::l1_loss(a, b, {.reduction = r}); },
       [](double a, double b) { return std::abs(a - b); }, x, y},
      {"huber", [](auto& a, auto& b, Reduction r) { return nn::huber_loss(a, b, {.reduction = r, .delta = 0.7}); },
       [](double a, double b) {
         return std::abs(a - b) <= 0.7 ? (a - b) * (a - b) / 2 : 0.7 * (std::abs(a - b) - 0.35);
       },
       x, y},
      {"smooth_l1",
       [](auto& a, auto& b, Reduction r) { return nn::smooth_l1_loss(a, b, {.reduction = r, .beta = 0.7}); },
       [](double a, double b) { return std::abs(a - b) < 0.7 ? (a - b) * (a - b) / 1.4 : std::abs(a - b) - 0.35; }, x,
       y},
      {"smooth_l1 of 0",
       [](auto& a, auto& b, Reduction r) { return nn::smooth_l1_loss(a, b, {.reduction = r, .beta = 0}); },
       [](double a, double b) { return std::abs(a - b); }, x, y},
      {"bce_with_logits", [](auto& a, auto& b, Reduction r) { return nn::bce_with_logits(a, b, {.reduction = r}); },
       [bce](double a, double b) { return bce(1 / (1 + std::exp(-a)), b); }, x, q},
      {"binary_cross_entropy",
       [](auto& a, auto& b, Reduction r) { return nn::binary_cross_entropy(a, b, {.reduction = r}); }, bce, p, q},
      {"kl_div", [](auto& a, auto& b, Reduction r) { return nn::kl_div(a, b, {.reduction = r}); },
       [](double a, double b) { return b * (std::log(b) - a); }, x, q},
      {"kl_div of logarithms",
       [](auto& a, auto& b, Reduction r) { return nn::kl_div(a, b, {.reduction = r, .log_target = true}); },
       [](double a, double b) { return std::exp(b) * (b - a); }, x, y},
  };
}

}  // namespace

TEST_CASE("losses of pairs agree with their definition") {
  for (const Shape& shape : {Shape{7}, Shape{3, 5}, Shape{1}, Shape{}, Shape{41, 101}, Shape{0, 3}})
    for (const Pair& pair : pairs(shape)) {
      CAPTURE(pair.name);
      const Tensor each = pair.loss(pair.a, pair.b, Reduction::none);
      REQUIRE(each.shape() == shape);
      double total = 0;
      for (Index i = 0; i < each.numel(); ++i) {
        const double expected = pair.definition(pair.a.data<double>()[i], pair.b.data<double>()[i]);
        CHECK(std::abs(each.data<double>()[i] - expected) < 1e-13 * (1 + std::abs(expected)));
        total += expected;
      }
      CHECK(pair.loss(pair.a, pair.b, Reduction::sum).item() == doctest::Approx(total).epsilon(1e-12));
      const double average = pair.loss(pair.a, pair.b, Reduction::mean).item();
      if (each.numel() == 0)
        CHECK(std::isnan(average));
      else
        CHECK(average == doctest::Approx(total / double(each.numel())).epsilon(1e-12));
      const Tensor narrow = pair.loss(pair.a.to(float32), pair.b.to(float32), Reduction::none);
      CHECK(largest_difference(narrow.to(float64), each) < 1e-5);
    }
  const Tensor a = normal_numbers({4, 5}, 1), b = sigmoid(normal_numbers({4, 5}, 2));
  CHECK(nn::kl_div(a, b, {.reduction = Reduction::batch_mean}).item() ==
        doctest::Approx(nn::kl_div(a, b, {.reduction = Reduction::sum}).item() / 4));
}

TEST_CASE("losses of pairs have derivatives of any order, on both roads") {
  for (const Shape& shape : {Shape{3, 5}, Shape{19}, Shape{1}})
    for (const Pair& pair : pairs(shape)) {
      CAPTURE(pair.name);
      for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
        check_derivatives([&](const std::vector<Tensor>& in) { return square(pair.loss(in[0], in[1], reduction)); },
                          {pair.a.clone().requires_grad_(), pair.b.clone().requires_grad_()});
    }
}

TEST_CASE("losses of pairs do not depend on the number of threads") {
  for (const Pair& pair : pairs({101, 1009})) {
    CAPTURE(pair.name);
    const std::vector<Tensor> inputs{pair.a.clone().requires_grad_(), pair.b.clone().requires_grad_()};
    check_threads([&](const std::vector<Tensor>& in) { return pair.loss(in[0], in[1], Reduction::mean); }, inputs);
    check_threads([&](const std::vector<Tensor>& in) { return pair.loss(in[0], in[1], Reduction::none); }, inputs);
  }
}

TEST_CASE("bce_with_logits weighs elements and the positive class") {
  const Tensor x = normal_numbers({4, 3}, 1), y = sigmoid(normal_numbers({4, 3}, 2));
  const Tensor w = abs(normal_numbers({4, 1}, 3)), v = abs(normal_numbers({3}, 4));
  const Tensor p = sigmoid(x);
  const Tensor expected = w * -(v * y * log(p) + (1.0 - y) * log(1.0 - p));
  CHECK(largest_difference(nn::bce_with_logits(x, y, {.weight = w, .reduction = Reduction::none, .pos_weight = v}),
                           expected) < 1e-13);
  CHECK(largest_difference(nn::bce_with_logits(x, y, {.weight = w, .pos_weight = v}), mean(expected)) < 1e-13);
  CHECK(largest_difference(nn::bce_with_logits(x, y, {.weight = w}),
                           mean(w * nn::bce_with_logits(x, y, {.reduction = Reduction::none}))) < 1e-13);
  CHECK(largest_difference(nn::binary_cross_entropy(p, y, {.weight = w}), nn::bce_with_logits(x, y, {.weight = w})) <
        1e-12);
  check_derivatives(
      [&](const std::vector<Tensor>& in) { return nn::bce_with_logits(in[0], in[1], {.weight = w, .pos_weight = v}); },
      {leaf({4, 3}, 1), y.clone().requires_grad_()});
  check_error([&] { (void)nn::bce_with_logits(x, y, {.pos_weight = leaf({3})}); },
              {"bce_with_logits", "pos_weight", "constant"});
  check_error(
      [&] {
        (void)nn::bce_with_logits(x, y, {.weight = ones({2, 4, 3}, {.dtype = float64})});
      },
      {"bce_with_logits", "weight", "(2, 4, 3)", "(4, 3)"});
}

TEST_CASE("losses survive extreme predictions") {
  for (const DType dtype : {float32, float64}) {
    const auto numbers = [&](std::initializer_list<double> v) {
      return tensor(v, {.dtype = dtype, .requires_grad = true});
    };
    const Tensor x = numbers({1e4, -1e4, 1e4, -1e4, infinity, -infinity, 0}),
                 y = tensor({1, 0, 0, 1, 1, 0, 0.5}, {.dtype = dtype});
    const Tensor each = nn::bce_with_logits(x, y, {.reduction = Reduction::none});
    CHECK(allclose(each, tensor({0, 0, 1e4, 1e4, 0, 0, std::log(2.0)}, {.dtype = dtype})));
    CHECK(allclose(grad(each.sum(), x), tensor({0, 0, 1, -1, 0, 0, 0}, {.dtype = dtype})));
    const Tensor p = numbers({0, 1, 0, 1}), t = tensor({0, 1, 1, 0}, {.dtype = dtype});
    CHECK(allclose(nn::binary_cross_entropy(p, t, {.reduction = Reduction::none}),
                   tensor({0, 0, 100, 100}, {.dtype = dtype})));
    CHECK(isfinite(grad(nn::binary_cross_entropy(p, t), p)).sum().item() == 4);
    const Tensor log_q = numbers({-1, -infinity, 0});
    CHECK(allclose(nn::kl_div(log_q, tensor({0, 0, 1}, {.dtype = dtype}), {.reduction = Reduction::none}),
                   zeros({3}, {.dtype = dtype})));
    const Tensor big = numbers({1e4, -1e4});
    CHECK(allclose(nn::huber_loss(big, zeros({2}, {.dtype = dtype}), {.reduction = Reduction::none}),
                   full({2}, 9999.5, {.dtype = dtype})));
    CHECK(std::isnan(nn::mse_loss(numbers({NAN}), zeros({1}, {.dtype = dtype})).item()));
    CHECK(std::isnan(nn::bce_with_logits(numbers({NAN}), zeros({1}, {.dtype = dtype})).item()));
    CHECK(std::isnan(nn::smooth_l1_loss(numbers({NAN}), zeros({1}, {.dtype = dtype})).item()));
  }
}

TEST_CASE("losses of pairs say what does not fit") {
  const Tensor a = zeros({3}), b = zeros({3, 1});
  check_error([&] { (void)nn::mse_loss(a, b); }, {"mse_loss", "(3)", "(3, 1)", "target.reshape({3})"});
  check_error([&] { (void)nn::l1_loss(a, zeros({4})); }, {"l1_loss", "(3)", "(4)"});
  check_error([&] { (void)nn::mse_loss(a, zeros({3}, {.dtype = float64})); }, {"mse_loss", "float32", "float64"});
  check_error([&] { (void)nn::huber_loss(a, a, {.delta = 0}); }, {"huber_loss", "delta", "0"});
  check_error([&] { (void)nn::smooth_l1_loss(a, a, {.beta = -1}); }, {"smooth_l1_loss", "beta", "-1"});
  check_error([&] { (void)nn::mse_loss(a, a, {.reduction = Reduction::batch_mean}); }, {"mse_loss", "kl_div"});
  check_error(
      [&] {
        (void)nn::binary_cross_entropy(tensor({0.5, 1.5}), tensor({0, 1}));
      },
      {"binary_cross_entropy", "1.5", "position 1", "bce_with_logits"});
}

TEST_CASE("distillation_loss is T^2 KL(teacher || student)") {
  const Tensor student = tensor({{0.5, -1, 2, 0}}, {.dtype = float64});
  const Tensor teacher = tensor({{1.5, 0, 1, -0.5}}, {.dtype = float64});
  for (const double t : {0.5, 1.0, 2.0, 7.0}) {
    double zp = 0, zq = 0, expected = 0;
    for (Index i = 0; i < 4; ++i) {
      zp += std::exp(student.data<double>()[i] / t);
      zq += std::exp(teacher.data<double>()[i] / t);
    }
    for (Index i = 0; i < 4; ++i) {
      const double p = std::exp(student.data<double>()[i] / t) / zp, q = std::exp(teacher.data<double>()[i] / t) / zq;
      expected += t * t * q * std::log(q / p);
    }
    CHECK(nn::distillation_loss(student, teacher, {.temperature = t}).item() ==
          doctest::Approx(expected).epsilon(1e-12));
  }
  // For T to infinity: sum((s - t)^2) / (2 classes). The differences are -1, -1, 1, 0.5, with mean -0.125.
  const double limit = (2 * 0.875 * 0.875 + 1.125 * 1.125 + 0.625 * 0.625) / 8;
  CHECK(nn::distillation_loss(student, teacher, {.temperature = 1e4}).item() == doctest::Approx(limit).epsilon(1e-3));
  CHECK(nn::distillation_loss(student, student).item() == 0);
  CHECK(nn::distillation_loss(student.squeeze(0), teacher.squeeze(0)).item() ==
        doctest::Approx(nn::distillation_loss(student, teacher).item()).epsilon(1e-14));
  // All weight on one side.
  const Tensor y = labels_of({2});
  CHECK(nn::distillation_loss(student, teacher, y, {.soft_weight = 0}).item() == nn::cross_entropy(student, y).item());
  CHECK(nn::distillation_loss(student, teacher, y, {.soft_weight = 1}).item() ==
        nn::distillation_loss(student, teacher).item());
}

TEST_CASE("distillation_loss has the gradient T (p - q), and no trouble with impossible classes") {
  const Tensor student = leaf({3, 5}, 1), teacher = normal_numbers({3, 5}, 2);
  const double t = 3;
  const Tensor loss = nn::distillation_loss(student, teacher, {.temperature = t, .reduction = Reduction::sum});
  CHECK(largest_difference(grad(loss, student), t * (softmax(student / t, 1) - softmax(teacher / t, 1))) < 1e-13);
  const Tensor s = tensor({{-infinity, 1, 2}}, {.dtype = float64, .requires_grad = true});
  const Tensor masked = nn::distillation_loss(s, tensor({{-infinity, 0, 1}}, {.dtype = float64}));
  CHECK(masked.item() == doctest::Approx(0));
  CHECK(isfinite(grad(masked, s)).sum().item() == 3);
  check_derivatives([](const std::vector<Tensor>& in) { return nn::distillation_loss(in[0], in[1]); },
                    {leaf({3, 4, 2}, 1), leaf({3, 4, 2}, 2)});
  check_error(
      [&] {
        (void)nn::distillation_loss(student, normal_numbers({3, 4}));
      },
      {"distillation_loss", "(3, 5)", "(3, 4)"});
  check_error([&] { (void)nn::distillation_loss(student, teacher, {.temperature = 0}); }, {"temperature is 0"});
  check_error(
      [&] {
        (void)nn::distillation_loss(student, teacher, labels_of({0, 1, 2}), {.soft_weight = 2});
      },
      {"soft_weight is 2"});
  check_error([&] { (void)nn::distillation_loss(zeros({}), zeros({})); }, {"distillation_loss", "scalar"});
}

TEST_CASE("focal_loss is cross_entropy times (1 - p)^gamma") {
  const Tensor x = normal_numbers({7, 5}), y = labels_of({2, 0, 4, 1, 1, 3, 0});
  CHECK(largest_difference(nn::focal_loss(x, y, {.gamma = 0, .reduction = Reduction::none}),
                           nn::cross_entropy(x, y, {.reduction = Reduction::none})) == 0);
  CHECK(nn::focal_loss(x, y, {.gamma = 0, .ignore_index = 1}).item() ==
        doctest::Approx(nn::cross_entropy(x, y, {.ignore_index = 1}).item()).epsilon(1e-14));
  // p = 1/2: 0.25 log 2.
  CHECK(nn::focal_loss(zeros({3, 2}), labels_of({0, 1, 1})).item() == doctest::Approx(0.25 * std::log(2.0)));
  CHECK(nn::sigmoid_focal_loss(zeros({3}), tensor({0, 1, 1}), {.alpha = -1}).item() ==
        doctest::Approx(0.25 * std::log(2.0)));
  CHECK(nn::sigmoid_focal_loss(zeros({2}), tensor({0, 1}), {.gamma = 0, .reduction = Reduction::sum}).item() ==
        doctest::Approx(std::log(2.0)));
  for (const double gamma : {0.0, 0.5, 1.0, 2.0}) {
    CAPTURE(gamma);
    // Sure and right, sure and wrong: no NaN, in value or gradient.
    const Tensor sure = tensor({{1e4, -1e4}, {-1e4, 1e4}, {0, 50}}, {.requires_grad = true});
    const Tensor loss = nn::focal_loss(sure, labels_of({0, 0, 1}), {.gamma = gamma, .reduction = Reduction::sum});
    CHECK(loss.item() == doctest::Approx(2e4));
    CHECK(allclose(grad(loss, sure), tensor({{0, 0}, {-1, 1}, {0, 0}})));
    const Tensor one = tensor({1e4, -1e4, 200, -200}, {.requires_grad = true});
    const Tensor sigmoid_loss =
        nn::sigmoid_focal_loss(one, tensor({1, 1, 1, 0}), {.gamma = gamma, .alpha = -1, .reduction = Reduction::sum});
    CHECK(sigmoid_loss.item() == doctest::Approx(1e4));
    CHECK(allclose(grad(sigmoid_loss, one), tensor({0, -1, 0, 0})));
    check_derivatives(
        [&](const std::vector<Tensor>& in) { return nn::focal_loss(in[0], y, {.gamma = gamma, .ignore_index = 1}); },
        {leaf({7, 5})});
    check_derivatives(
        [&](const std::vector<Tensor>& in) {
          return nn::sigmoid_focal_loss(in[0], sigmoid(in[1]), {.gamma = gamma, .reduction = Reduction::none});
        },
        {leaf({3, 4}, 1), leaf({3, 4}, 2)});
  }
  CHECK(std::isnan(nn::focal_loss(x, labels_of({1, 1, 1, 1, 1, 1, 1}), {.ignore_index = 1}).item()));
  check_error([&] { (void)nn::focal_loss(x, y, {.gamma = -1}); }, {"focal_loss", "gamma is -1"});
  check_error([&] { (void)nn::focal_loss(x, labels_of({0, 1, 2, 3, 4, 5, 0})); }, {"focal_loss", "label 5"});
  check_error([&] { (void)nn::sigmoid_focal_loss(x, x, {.alpha = 1.5}); }, {"sigmoid_focal_loss", "alpha is 1.5"});
  check_error([&] { (void)nn::sigmoid_focal_loss(x, normal_numbers({7})); }, {"sigmoid_focal_loss", "(7, 5)", "(7)"});
}

TEST_CASE("cosine_similarity knows angles only") {
  const Tensor a = tensor({{1, 0, 0}, {1, 1, 0}, {0, 0, 0}, {1e-3, 0, 0}}, {.dtype = float64, .requires_grad = true});
  const Tensor b = tensor({{2, 0, 0}, {0, 7, 0}, {1, 2, 3}, {-5e5, 0, 0}}, {.dtype = float64});
  const Tensor cosine = nn::cosine_similarity(a, b);
  const double expected[] = {1, std::sqrt(0.5), 0, -1};
  for (Index i = 0; i < 4; ++i) CHECK(cosine.data<double>()[i] == doctest::Approx(expected[i]));
  CHECK(isfinite(grad(cosine.sum(), a)).sum().item() == 12);
  CHECK(nn::cosine_similarity(zeros({0, 3}), zeros({0, 3})).shape() == Shape{0});
  check_derivatives([](const std::vector<Tensor>& in) { return nn::cosine_similarity(in[0], in[1], {.axis = 0}); },
                    {leaf({3, 5}, 1), leaf({3, 5}, 2)});
  const Tensor y = tensor({1, -1, 1, -1}, {.dtype = float64});
  const Tensor losses = nn::cosine_embedding_loss(a, b, y, {.margin = 0.2, .reduction = Reduction::none});
  const double wanted[] = {0, std::sqrt(0.5) - 0.2, 1, 0};
  for (Index i = 0; i < 4; ++i) CHECK(losses.data<double>()[i] == doctest::Approx(wanted[i]));
  CHECK(nn::cosine_embedding_loss(tensor({1, 0}), tensor({0, 1}), full({}, 1, {.dtype = int64})).item() == 1);
  check_error(
      [&] {
        (void)nn::cosine_embedding_loss(a, b, labels_of({1, 0, 1, 1}));
      },
      {"cosine_embedding_loss", "target 0 at position 1"});
  check_error([&] { (void)nn::cosine_embedding_loss(a, b, labels_of({1})); }, {"(4, 3)", "(4)", "(1)"});
  check_error([&] { (void)nn::cosine_embedding_loss(a, b, y, {.margin = 2}); }, {"margin is 2"});
  check_error([&] { (void)nn::cosine_embedding_loss(zeros({2, 3, 4}), zeros({2, 3, 4}), y); }, {"(2, 3, 4)"});
}

TEST_CASE("gaussian_nll_loss is -log of the normal density") {
  const Tensor m = normal_numbers({3, 4}, 1), x = normal_numbers({3, 4}, 2), v = exp(normal_numbers({3, 4}, 3));
  const Tensor each = nn::gaussian_nll_loss(m, x, v, {.full = true, .reduction = Reduction::none});
  for (Index i = 0; i < 12; ++i) {
    const double d = x.data<double>()[i] - m.data<double>()[i], s2 = v.data<double>()[i];
    const double density = std::exp(-d * d / (2 * s2)) / std::sqrt(2 * std::acos(-1.0) * s2);
    CHECK(each.data<double>()[i] == doctest::Approx(-std::log(density)).epsilon(1e-12));
  }
  // One variance for a row, with or without the axis.
  const Tensor rows = exp(normal_numbers({3, 1}, 4));
  CHECK(nn::gaussian_nll_loss(m, x, rows).item() == nn::gaussian_nll_loss(m, x, rows.squeeze(1)).item());
  // A variance of 0 counts as eps, and may grow.
  const Tensor zero = zeros({1}, {.dtype = float64, .requires_grad = true});
  const Tensor one = ones({1}, {.dtype = float64}), none = zeros({1}, {.dtype = float64});
  const Tensor loss = nn::gaussian_nll_loss(none, one, zero, {.eps = 0.1});
  CHECK(loss.item() == doctest::Approx(0.5 * (std::log(0.1) + 10)));
  CHECK(grad(loss, zero).item() == doctest::Approx(0.5 * (10 - 100)));
  check_derivatives([](const std::vector<Tensor>& in) { return nn::gaussian_nll_loss(in[0], in[1], exp(in[2])); },
                    {leaf({3, 4}, 1), leaf({3, 4}, 2), leaf({3}, 3)});
  check_error([&] { (void)nn::gaussian_nll_loss(m, x, -v); }, {"gaussian_nll_loss", "position 0 is negative"});
  check_error([&] { (void)nn::gaussian_nll_loss(m, x, zeros({4}, {.dtype = float64})); },
              {"gaussian_nll_loss", "(4)", "(3, 4)"});
  check_error([&] { (void)nn::gaussian_nll_loss(m, x, v, {.eps = 0}); }, {"eps is 0"});
}
