#include "gradus/nn/init.hpp"

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/nn/activation.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/theory/moments.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace init = gradus::nn::init;

namespace {

struct Sample {
  double mean, variance, fourth, least, largest;
  double n;
};

Sample sample_of(const Tensor& x) {
  Sample s{
      0, 0, 0, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), double(x.numel())};
  const std::vector<double> v = to_vector<double>(x.detach().to(float64));
  for (const double e : v) s.mean += e / s.n, s.least = std::min(s.least, e), s.largest = std::max(s.largest, e);
  for (const double e : v) {
    const double d = (e - s.mean) * (e - s.mean);
    s.variance += d / s.n;
    s.fourth += d * d / s.n;
  }
  return s;
}

// Within five standard errors: that of the mean is sqrt(var / n), that of the variance sqrt((mu4 - var^2) / n).
void check_moments(const Tensor& x, double mean, double variance, double kurtosis) {
  const Sample s = sample_of(x);
  CHECK(std::abs(s.mean - mean) < 5 * std::sqrt(variance / s.n));
  CHECK(std::abs(s.variance - variance) < 5 * variance * std::sqrt((kurtosis - 1) / s.n));
  CHECK(std::abs(s.fourth / (variance * variance) - kurtosis) < 0.1);
}
void check_normal(const Tensor& x, double mean, double variance) { check_moments(x, mean, variance, 3); }
void check_uniform(const Tensor& x, double bound) {
  check_moments(x, 0, bound * bound / 3, 1.8);
  const Sample s = sample_of(x);
  CHECK(s.least >= -bound * (1 + 1e-6));
  CHECK(s.largest <= bound * (1 + 1e-6));
  // The extreme of n uniform numbers is within 1/n of the end or so.
  CHECK(s.largest > bound * (1 - 40 / s.n));
  CHECK(s.least < -bound * (1 - 40 / s.n));
}

constexpr double inf = std::numeric_limits<double>::infinity();
const double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("fans count the terms of a forward and of a backward sum") {
  const auto check = [](const Shape& shape, Index in, Index out) {
    const init::Fans f = init::fans(zeros(shape));
    CHECK(f.in == in);
    CHECK(f.out == out);
  };
  check({5, 3}, 3, 5);
  check({8, 4, 3, 3}, 36, 72);
  check({8, 4, 3, 5}, 60, 120);
  check({8, 4, 7}, 28, 56);
  check({0, 3}, 3, 0);
  check_error([] { (void)init::fans(zeros({3})); }, {"fan_in", "(3)"});
  check_error(
      [] {
        Tensor t = zeros({3});
        init::xavier_normal_(t);
      },
      {"fan_in", "(3)"});
  check_error(
      [] {
        Tensor t = zeros({});
        init::orthogonal_(t);
      },
      {"fan_in", "()"});
}

TEST_CASE("gains are PyTorch's") {
  CHECK(init::calculate_gain("linear") == 1);
  CHECK(init::calculate_gain("conv2d") == 1);
  CHECK(init::calculate_gain("sigmoid") == 1);
  CHECK(init::calculate_gain("tanh") == doctest::Approx(5.0 / 3).epsilon(1e-15));
  CHECK(init::calculate_gain("relu") == doctest::Approx(std::numbers::sqrt2).epsilon(1e-15));
  CHECK(init::calculate_gain("leaky_relu") == doctest::Approx(1.4141428569978354).epsilon(1e-15));
  CHECK(init::calculate_gain("leaky_relu", 0.2) == doctest::Approx(std::sqrt(2 / 1.04)).epsilon(1e-15));
  CHECK(init::calculate_gain("selu") == 0.75);
  CHECK(init::calculate_gain("gelu") == 1);
  check_error([] { (void)init::calculate_gain("rleu"); }, {"rleu", "relu"});
}

TEST_CASE("moments and bounds of every initialiser") {
  for (const DType dtype : {float32, float64}) {
    CAPTURE(int(dtype));
    Generator generator(17);
    Tensor w = zeros({500, 400}, {.dtype = dtype}), conv = zeros({200, 100, 3, 5}, {.dtype = dtype});
    init::uniform_(w, -0.3, 0.3, &generator), check_uniform(w, 0.3);
    init::normal_(w, 0.7, 0.1, &generator), check_normal(w, 0.7, 0.01);
    init::xavier_uniform_(w, 1, &generator), check_uniform(w, std::sqrt(6.0 / 900));
    init::xavier_uniform_(w, 2, &generator), check_uniform(w, 2 * std::sqrt(6.0 / 900));
    init::xavier_normal_(w, 5.0 / 3, &generator), check_normal(w, 0, 25.0 / 9 * 2 / 900);
    init::xavier_normal_(conv, 1, &generator), check_normal(conv, 0, 2.0 / (300 * 15));
    init::kaiming_uniform_(w, {.generator = &generator}), check_uniform(w, std::sqrt(6.0 / 400));
    init::kaiming_uniform_(w, {.a = std::sqrt(5.0), .generator = &generator}), check_uniform(w, 1 / std::sqrt(400.0));
    init::kaiming_normal_(w, {.nonlinearity = "relu", .generator = &generator}), check_normal(w, 0, 2.0 / 400);
    init::kaiming_normal_(conv, {.mode = init::Fan::out, .nonlinearity = "relu", .generator = &generator});
    check_normal(conv, 0, 2.0 / (200 * 15));
    init::kaiming_normal_(conv, {.nonlinearity = "tanh", .generator = &generator}),
        check_normal(conv, 0, 25.0 / 9 / 1500);
    init::lecun_normal_(conv, &generator), check_normal(conv, 0, 1.0 / 1500);
    init::lecun_uniform_(w, &generator), check_uniform(w, std::sqrt(3.0 / 400));
    init::constant_(w, 0.25);
    CHECK(largest_difference(w, full_like(w, 0.25)) == 0);
    init::ones_(w);
    CHECK(largest_difference(w, ones_like(w)) == 0);
    init::zeros_(w);
    CHECK(largest_difference(w, zeros_like(w)) == 0);
  }
}

TEST_CASE("layers start as PyTorch's do: uniform within one over the root of fan_in, weight and bias") {
  manual_seed(4);
  nn::Linear linear{100, 2000};
  check_uniform(linear.weight, 0.1);
  const Sample bias = sample_of(linear.bias);
  CHECK(std::abs(bias.variance - 0.01 / 3) < 5 * 0.01 / 3 * std::sqrt(0.8 / bias.n));
  CHECK(bias.largest <= 0.1f);
  nn::Conv2d conv{8, 200, {3, 5}, {.groups = 2}};
  check_uniform(conv.weight, 1 / std::sqrt(60.0));
}

TEST_CASE("truncated normals stay inside, with the moments of what is left") {
  Generator generator(5);
  const auto check = [&](double mean, double deviation, double low, double high) {
    CAPTURE(low);
    CAPTURE(high);
    Tensor w = zeros({200000}, {.dtype = float64});
    init::trunc_normal_(w, mean, deviation, low, high, &generator);
    const Sample s = sample_of(w);
    CHECK(s.least >= low);
    CHECK(s.largest <= high);
    // By the midpoint rule over the interval.
    double total = 0, first = 0, second = 0;
    const double from = std::max(low, mean - 12 * deviation), to = std::min(high, mean + 12 * deviation);
    constexpr int steps = 20000;
    for (int i = 0; i < steps; ++i) {
      const double x = from + (to - from) * (i + 0.5) / steps, z = (x - mean) / deviation;
      const double density = std::exp(-0.5 * (z * z - std::pow((std::clamp(mean, from, to) - mean) / deviation, 2)));
      total += density, first += density * x, second += density * x * x;
    }
    const double m = first / total, v = second / total - m * m;
    CHECK(std::abs(s.mean - m) < 5 * std::sqrt(v / s.n));
    CHECK(std::abs(s.variance - v) < 5 * v * std::sqrt(9 / s.n));
  };
  check(0, 1, -2, 2);
  check(0, 0.02, -0.04, 0.04);
  check(1, 2, 0, 1.5);
  check(0, 1, 0.1, inf);
  check(0, 1, 6, 9);  // a tail with a thousand-millionth of the mass
  check(0, 1, -inf, inf);
  Tensor w = zeros({3});
  check_error([&] { init::trunc_normal_(w, 0, 0); }, {"trunc_normal_", "0"});
  check_error([&] { init::trunc_normal_(w, 0, 1, 2, -2); }, {"trunc_normal_", "2", "-2"});
  check_error([&] { init::trunc_normal_(w, 0, 1, not_a_number, 2); }, {"trunc_normal_", "nan"});
  check_error([&] { init::trunc_normal_(w, not_a_number); }, {"trunc_normal_", "nan"});
}

TEST_CASE("orthogonal weights have orthonormal rows or columns, times the gain") {
  Generator generator(6);
  const auto check = [&](const Shape& shape, double gain) {
    CAPTURE(shape.size());
    CAPTURE(shape[0]);
    Tensor w = zeros(shape, {.dtype = float64});
    init::orthogonal_(w, gain, &generator);
    const Tensor matrix = w.reshape({shape[0], w.numel() / shape[0]});
    const Index rows = matrix.shape()[0], columns = matrix.shape()[1];
    const Tensor gram = rows <= columns ? matmul(matrix, matrix.t()) : matmul(matrix.t(), matrix);
    CHECK(largest_difference(gram, gain * gain * eye(std::min(rows, columns), {.dtype = float64})) < 1e-12);
  };
  check({1, 1}, 1);
  check({1, 7}, 2);
  check({7, 1}, 1);
  check({31, 31}, 1);
  check({20, 67}, 1.5);
  check({67, 20}, 0.5);
  check({8, 4, 3, 3}, 1);
  check({64, 3, 2, 2}, 1);
  Tensor none = zeros({0, 3}), empty_rows = zeros({3, 0});
  CHECK_NOTHROW(init::orthogonal_(none));
  CHECK_NOTHROW(init::orthogonal_(empty_rows));
  Tensor single = zeros({40, 40});
  init::orthogonal_(single, 1, &generator);
  CHECK(largest_difference(matmul(single, single.t()), eye(40)) < 2e-6);
  // Uniform over the orthogonal matrices: the entries of 1 x n are a point on the sphere, each of variance 1/n, and
  // both signs of the determinant of 1 x 1 come up.
  int positive = 0;
  for (int i = 0; i < 100; ++i) {
    Tensor one = zeros({1, 1});
    init::orthogonal_(one, 1, &generator);
    positive += one.item() > 0 ? 1 : 0;
  }
  CHECK(positive > 20);
  CHECK(positive < 80);
}

TEST_CASE("eye_ is the identity with zeros around") {
  Tensor wide = full({2, 3}, 7), tall = full({3, 2}, 7);
  init::eye_(wide), init::eye_(tall);
  CHECK(largest_difference(wide, tensor({{1, 0, 0}, {0, 1, 0}})) == 0);
  CHECK(largest_difference(tall, tensor({{1, 0}, {0, 1}, {0, 0}})) == 0);
  check_error(
      [] {
        Tensor t = zeros({2, 2, 2});
        init::eye_(t);
      },
      {"eye_", "(2, 2, 2)"});
}

TEST_CASE("variance_preserving_ is He's for relu, LeCun's for selu, and the theory's for the rest") {
  const auto drawn = [](const auto& draw) {
    Generator generator(8);
    Tensor w = zeros({300, 200}, {.dtype = float64});
    draw(w, &generator);
    return w;
  };
  const auto preserving = [&](const char* name, double q) {
    return drawn(
        [&](Tensor& w, Generator* g) { init::variance_preserving_(w, name, {.variance = q, .generator = g}); });
  };
  const Tensor he =
      drawn([](Tensor& w, Generator* g) { init::kaiming_normal_(w, {.nonlinearity = "relu", .generator = g}); });
  const Tensor lecun = drawn([](Tensor& w, Generator* g) { init::lecun_normal_(w, g); });
  CHECK(allclose(preserving("relu", 1), he, {.rtol = 1e-13, .atol = 0}));
  CHECK(allclose(preserving("relu", 0.1), he, {.rtol = 1e-13, .atol = 0}));
  CHECK(allclose(preserving("selu", 1), lecun, {.rtol = 1e-13, .atol = 0}));
  check_normal(preserving("gelu", 1), 0, 2.351715614073373 / 200);
  check_normal(preserving("elu(0.5)", 2), 0,
               theory::preserving_weight_variance("elu(0.5)", {.fan_in = 200, .variance = 2}));

  // And it does what it says: variances stay through wide layers.
  manual_seed(12);
  Tensor x = randn({200, 1000});
  for (int layer = 0; layer < 3; ++layer) {
    Tensor w = zeros({1000, 1000});
    init::variance_preserving_(w, "gelu");
    x = matmul(layer == 0 ? x : gelu(x), layer == 0 ? eye(1000) : w);
  }
  CHECK(std::abs(sample_of(x).variance - 1) < 0.05);
}

TEST_CASE(
    "the same generator draws the same numbers; without one, the stream for initialisation is drawn from, and no "
    "other") {
  const auto draw = [](std::uint64_t seed) {
    Generator generator(seed);
    Tensor a = zeros({7, 5}), b = zeros({7, 5});
    init::xavier_normal_(a, 1, &generator);
    init::orthogonal_(b, 1, &generator);
    return std::pair{a, b};
  };
  CHECK(largest_difference(draw(1).first, draw(1).first) == 0);
  CHECK(largest_difference(draw(1).second, draw(1).second) == 0);
  CHECK(largest_difference(draw(1).first, draw(2).first) > 0.01);
  CHECK(largest_difference(draw(1).first, draw(1).second) > 0.01);

  manual_seed(3);
  const Tensor expected = randn({4});
  manual_seed(3);
  nn::Linear first{10, 10};
  const Tensor after = randn({4});
  CHECK(largest_difference(expected, after) == 0);
  manual_seed(3);
  (void)randn({1000}), (void)rand({10});
  nn::Linear second{10, 10};
  CHECK(largest_difference(first.weight, second.weight) == 0);
  CHECK(largest_difference(first.bias, second.bias) == 0);
  nn::Linear third{10, 10};
  CHECK(largest_difference(second.weight, third.weight) > 0.01);

  const int threads = num_threads();
  std::vector<Tensor> both;
  for (const int n : {1, 2}) {
    set_num_threads(n);
    Generator generator(9);
    both.push_back(zeros({500, 300}));
    init::kaiming_normal_(both.back(), {.generator = &generator});
  }
  set_num_threads(threads);
  CHECK(largest_difference(both[0], both[1]) == 0);
}

TEST_CASE("parameters are initialised without NoGrad, and what cannot be is refused") {
  Tensor w = zeros({3, 3}, {.requires_grad = true});
  CHECK_NOTHROW(init::xavier_uniform_(w));
  CHECK(w.is_leaf());
  CHECK(w.requires_grad());
  // What the tape has saved of the old numbers is noticed.
  const Tensor loss = (w * w).sum();
  init::ones_(w);
  CHECK_THROWS_AS(loss.backward(), Error);

  Tensor result = w * 2.0, whole = zeros({3, 3}, {.dtype = int64}), none;
  check_error([&] { init::normal_(result); }, {"normal_", "(3, 3)"});
  check_error([&] { init::uniform_(whole); }, {"uniform_", "int64"});
  check_error([&] { init::uniform_(none); }, {"undefined"});
  check_error([&] { init::uniform_(w, 1, 0); }, {"uniform_", "1", "0"});
  check_error([&] { init::uniform_(w, 0, inf); }, {"uniform_", "inf"});
  check_error([&] { init::normal_(w, 0, -1); }, {"normal_", "-1"});
  check_error([&] { init::normal_(w, not_a_number, 1); }, {"normal_", "nan"});
  check_error([&] { init::variance_preserving_(w, "gleu"); }, {"gleu", "gelu"});
  check_error([&] { init::variance_preserving_(w, "gelu", {.variance = 0}); }, {"variance", "0"});
  init::normal_(w, 3, 0);
  CHECK(largest_difference(w, full({3, 3}, 3)) == 0);
}
