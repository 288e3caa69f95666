#include <cmath>

#include "gradus/nn/functional.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;

namespace {

// Straight from the definition, one row after another.
Tensor naive_layer_norm(const Tensor& x, Index n, const Tensor& weight, const Tensor& bias, double eps) {
  std::vector<double> v = to_vector<double>(x);
  for (std::size_t start = 0; start < v.size(); start += std::size_t(n)) {
    double mean = 0, var = 0;
    for (Index i = 0; i < n; ++i) mean += v[start + std::size_t(i)] / double(n);
    for (Index i = 0; i < n; ++i) var += std::pow(v[start + std::size_t(i)] - mean, 2) / double(n);
    for (Index i = 0; i < n; ++i) {
      double& e = v[start + std::size_t(i)];
      e = (e - mean) / std::sqrt(var + eps);
      if (weight.defined()) e *= weight.data<double>()[i];
      if (bias.defined()) e += bias.data<double>()[i];
    }
  }
  return from_vector(v, x.shape());
}

}  // namespace

TEST_CASE("layer_norm standardises the last axes") {
  CHECK(allclose(F::layer_norm(tensor({{1, 3}, {10, 30}}), {2}, {}, {}, 0), tensor({{-1, 1}, {-1, 1}})));
  for (const Index n : {1, 2, 3, 16, 17, 31, 67, 256}) {
    const Tensor x = normal_numbers({5, n}, 1) * 3.0 + 7.0, w = normal_numbers({n}, 2), b = normal_numbers({n}, 3);
    CHECK(largest_difference(F::layer_norm(x, {n}), naive_layer_norm(x, n, {}, {}, 1e-5)) < 1e-12);
    CHECK(largest_difference(F::layer_norm(x, {n}, w), naive_layer_norm(x, n, w, {}, 1e-5)) < 1e-12);
    CHECK(largest_difference(F::layer_norm(x, {n}, {}, b), naive_layer_norm(x, n, {}, b, 1e-5)) < 1e-12);
    CHECK(largest_difference(F::layer_norm(x, {n}, w, b, 0.1), naive_layer_norm(x, n, w, b, 0.1)) < 1e-12);
  }
  const Tensor x = normal_numbers({2, 3, 4, 5}, 1), w = normal_numbers({4, 5}, 2), b = normal_numbers({4, 5}, 3);
  CHECK(largest_difference(F::layer_norm(x, {4, 5}, w, b), naive_layer_norm(x, 20, w, b, 1e-5)) < 1e-12);
  CHECK(F::layer_norm(zeros({0, 3}), {3}).shape() == Shape{0, 3});
  CHECK(F::layer_norm(zeros({3, 0}), {0}).shape() == Shape{3, 0});
}

TEST_CASE("layer_norm keeps its digits in float32") {
  // The mean is ten thousand times the deviation: E x^2 - (E x)^2 would have no digit left.
  const Tensor x = normal_numbers({64, 256}, 1, float32) + 1e4;
  const Tensor expected = F::layer_norm(x.to(float64), {256});
  CHECK(largest_difference(F::layer_norm(x, {256}).to(float64), expected) < 1e-3);
}

TEST_CASE("layer_norm has derivatives of any order, on both roads") {
  const auto plain = [](const std::vector<Tensor>& in) { return F::layer_norm(in[0], {in[0].shape().back()}); };
  const auto full = [](const std::vector<Tensor>& in) { return F::layer_norm(in[0], in[1].shape(), in[1], in[2]); };
  check_derivatives(plain, {leaf({4, 3})});
  check_derivatives(plain, {leaf({2, 1, 5})});
  check_derivatives(full, {leaf({7, 6}, 1), leaf({6}, 2), leaf({6}, 3)});
  check_derivatives(full, {leaf({37, 17}, 1), leaf({17}, 2), leaf({17}, 3)});
  check_derivatives(full, {leaf({2, 3, 2, 4}, 1), leaf({2, 4}, 2), leaf({2, 4}, 3)});
  check_derivatives([](const std::vector<Tensor>& in) { return F::layer_norm(in[0], {5}, in[1]); },
                    {leaf({3, 5}, 1), leaf({5}, 2)});
  check_derivatives([](const std::vector<Tensor>& in) { return F::layer_norm(in[0], {5}, {}, in[1]); },
                    {leaf({3, 5}, 1), leaf({5}, 2)});
  const auto product = [](const std::vector<Tensor>& in) { return F::layer_norm(matmul(in[0], in[1]), {3}); };
  check_derivatives(product, {leaf({4, 3}, 1), leaf({3, 3}, 2)});
}

TEST_CASE("layer_norm's backward is the formula's, row by row, also for long rows and many") {
  for (const auto& [rows, n] : {std::pair<Index, Index>{3, 1030}, {70, 257}, {1100, 19}}) {
    const Tensor x = normal_numbers({rows, n}, 1) * 2.0 + 1.0, w = normal_numbers({n}, 2),
                 g = normal_numbers({rows, n}, 3);
    const std::vector<double> xs = to_vector<double>(x), ws = to_vector<double>(w), gs = to_vector<double>(g);
    std::vector<double> dx(xs.size()), dw(ws.size()), db(ws.size());
    for (std::size_t at = 0; at < xs.size(); at += ws.size()) {
      const double count = double(n);
      double mean = 0, var = 0, q_mean = 0, qh_mean = 0;
      for (std::size_t i = 0; i < ws.size(); ++i) mean += xs[at + i] / count;
      for (std::size_t i = 0; i < ws.size(); ++i) var += std::pow(xs[at + i] - mean, 2) / count;
      const double rstd = 1 / std::sqrt(var + 1e-5);
      for (std::size_t i = 0; i < ws.size(); ++i) {
        const double h = (xs[at + i] - mean) * rstd;
        q_mean += gs[at + i] * ws[i] / count;
        qh_mean += gs[at + i] * ws[i] * h / count;
        dw[i] += gs[at + i] * h;
        db[i] += gs[at + i];
      }
      for (std::size_t i = 0; i < ws.size(); ++i)
        dx[at + i] = rstd * (gs[at + i] * ws[i] - q_mean - (xs[at + i] - mean) * rstd * qh_mean);
    }
    for (const DType dtype : {float64, float32}) {
      const double tolerance = dtype == float64 ? 1e-11 : 2e-6 * std::sqrt(double(rows));
      const auto input = [&](const Tensor& t) { return t.to(dtype).detach().requires_grad_(); };
      const Tensor in = input(x), weight = input(w), bias = zeros({n}, {.dtype = dtype, .requires_grad = true});
      F::layer_norm(in, {n}, weight, bias).backward(g.to(dtype));
      CHECK(largest_difference(in.grad().to(float64), from_vector(dx, {rows, n})) < tolerance);
      CHECK(largest_difference(weight.grad().to(float64), from_vector(dw)) < tolerance);
      CHECK(largest_difference(bias.grad().to(float64), from_vector(db)) < tolerance);
    }
  }
}

TEST_CASE("layer_norm does not depend on the number of threads") {
  check_threads([](const std::vector<Tensor>& in) { return F::layer_norm(in[0], {129}, in[1], in[2]); },
                {leaf({1001, 129}, 1), leaf({129}, 2), leaf({129}, 3)});
}

TEST_CASE("layer_norm says what does not fit") {
  check_error([] { (void)F::layer_norm(zeros({2, 3}), {4}); }, {"layer_norm", "(2, 3)", "(4)"});
  check_error([] { (void)F::layer_norm(zeros({2, 3}), {1, 2, 3}); }, {"layer_norm", "(2, 3)", "(1, 2, 3)"});
  check_error([] { (void)F::layer_norm(zeros({2, 3}), Shape{}); }, {"layer_norm", "()"});
  check_error([] { (void)F::layer_norm(zeros({2, 3}), {3}, zeros({2})); }, {"layer_norm", "weight", "(2)", "(3)"});
  check_error([] { (void)F::layer_norm(zeros({2, 3}), {3}, {}, zeros({2})); }, {"layer_norm", "bias", "(2)", "(3)"});
  check_error(
      [] {
        (void)F::layer_norm(zeros({2, 3}), {3}, zeros({3}, {.dtype = float64}));
      },
      {"layer_norm", "float32", "float64"});
  check_error([] { (void)F::layer_norm(zeros({2, 3}), {3}, {}, {}, -1.0); }, {"layer_norm", "eps", "-1"});
}

TEST_CASE("rms_norm divides by the root of the mean square") {
  for (const Index n : {1, 3, 16, 67}) {
    const Tensor x = normal_numbers({5, n}, 1) + 2.0, w = normal_numbers({n}, 2);
    const Tensor expected = x / sqrt(mean(square(x), {.axes = {1}, .keepdim = true}) + 0.25);
    CHECK(largest_difference(F::rms_norm(x, {n}, {}, 0.25), expected) < 1e-12);
    CHECK(largest_difference(F::rms_norm(x, {n}, w, 0.25), expected * w) < 1e-12);
  }
  CHECK(F::rms_norm(full({1, 2}, 3.0), {2}).data<float>()[0] == doctest::Approx(1.0));
  check_derivatives([](const std::vector<Tensor>& in) { return F::rms_norm(in[0], {5}, in[1]); },
                    {leaf({7, 5}, 1), leaf({5}, 2)});
  check_derivatives(
      [](const std::vector<Tensor>& in) {
        return F::rms_norm(in[0], {2, 3}, {}, 1e-3);
      },
      {leaf({4, 2, 3}, 1)});
  check_threads([](const std::vector<Tensor>& in) { return F::rms_norm(in[0], {129}, in[1]); },
                {leaf({1001, 129}, 1), leaf({129}, 2)});
  check_error([] { (void)F::rms_norm(zeros({2, 3}), {4}); }, {"rms_norm", "(2, 3)", "(4)"});
}

TEST_CASE("group_norm standardises groups of channels") {
  const Tensor x = normal_numbers({3, 6, 2, 5}, 1), w = normal_numbers({6}, 2), b = normal_numbers({6}, 3);
  const Tensor y = F::group_norm(x, 2).reshape({3, 2, 15 * 2});
  CHECK(y.mean({.axes = {2}}).abs().max().item() < 1e-14);
  CHECK((y.var({.axes = {2}, .correction = 0}) - 1.0).abs().max().item() < 1e-4);
  CHECK(largest_difference(F::group_norm(x, 2, w, b),
                           F::group_norm(x, 2) * w.reshape({6, 1, 1}) + b.reshape({6, 1, 1})) < 1e-14);
  CHECK(largest_difference(F::group_norm(x, 1), F::layer_norm(x, {6, 2, 5})) < 1e-14);
  check_derivatives([](const std::vector<Tensor>& in) { return F::group_norm(in[0], 2, in[1], in[2]); },
                    {leaf({2, 4, 3}, 1), leaf({4}, 2), leaf({4}, 3)});
  check_error([] { (void)F::group_norm(zeros({2, 6, 4}), 4); }, {"group_norm", "6 channels", "4 groups"});
  check_error([] { (void)F::group_norm(zeros({6}), 2); }, {"group_norm", "(6)"});
}

TEST_CASE("batch_norm standardises channels over the batch") {
  for (const Shape& shape : {Shape{5, 3}, Shape{2, 1}, Shape{7, 131}, Shape{4, 3, 5}, Shape{1, 3, 2},
                             Shape{3, 5, 7, 11}, Shape{2, 2, 33, 1}}) {
    const Index channels = shape[1];
    const Tensor x = normal_numbers(shape, 1) * 3.0 + 5.0, w = normal_numbers({channels}, 2),
                 b = normal_numbers({channels}, 3);
    const Tensor v = x.reshape({shape[0], channels, shape.product(2, shape.size())});
    const Tensor mean_of = mean(v, {.axes = {0, 2}}), var_of = var(v, {.axes = {0, 2}, .correction = 0});
    const Shape column{channels, 1};
    const Tensor standard = (v - mean_of.reshape(column)) / sqrt(var_of.reshape(column) + 1e-5);
    const Tensor expected = (standard * w.reshape(column) + b.reshape(column)).reshape(shape);
    Tensor running_mean = full({channels}, 2.0, {.dtype = float64}),
           running_var = full({channels}, 3.0, {.dtype = float64});
    CHECK(largest_difference(F::batch_norm(x, running_mean, running_var, w, b, true), expected) < 1e-12);
    CHECK(largest_difference(running_mean, mean_of * 0.1 + 1.8) < 1e-12);
    CHECK(largest_difference(running_var, var(v, {.axes = {0, 2}}) * 0.1 + 2.7) < 1e-12);
    // Without running statistics those of the batch are used, in eval too.
    CHECK(largest_difference(F::batch_norm(x, {}, {}), standard.reshape(shape)) < 1e-12);
    const Tensor fixed =
        ((v - running_mean.reshape(column)) / sqrt(running_var.reshape(column) + 0.1) * w.reshape(column))
            .reshape(shape);
    const Tensor before = running_mean.clone();
    CHECK(largest_difference(F::batch_norm(x, running_mean, running_var, w, {}, false, 0.1, 0.1), fixed) < 1e-12);
    CHECK(largest_difference(running_mean, before) == 0);
  }
  CHECK(F::batch_norm(zeros({0, 3, 4}), zeros({3}), ones({3})).shape() == Shape{0, 3, 4});
  CHECK(F::batch_norm(zeros({2, 0, 4}), zeros({0}), ones({0}), {}, {}, true).shape() == Shape{2, 0, 4});
}

TEST_CASE("batch_norm has derivatives of any order, on both roads") {
  const auto train = [](const std::vector<Tensor>& in) {
    return F::batch_norm(in[0], zeros({3}, {.dtype = float64}), ones({3}, {.dtype = float64}), in[1], in[2], true);
  };
  const auto plain = [](const std::vector<Tensor>& in) { return F::batch_norm(in[0], {}, {}); };
  const auto eval = [](const std::vector<Tensor>& in) {
    return square(F::batch_norm(in[0], normal_numbers({3}, 8), square(normal_numbers({3}, 9)), in[1], in[2]));
  };
  for (const Shape& shape : {Shape{5, 3}, Shape{4, 3, 2}, Shape{2, 3, 3, 4}, Shape{1, 3, 17}}) {
    check_derivatives(train, {leaf(shape, 1), leaf({3}, 2), leaf({3}, 3)});
    check_derivatives(plain, {leaf(shape, 1)});
    check_derivatives(eval, {leaf(shape, 1), leaf({3}, 2), leaf({3}, 3)});
  }
}

TEST_CASE("training between forward and backward does not disturb batch_norm in eval") {
  const Tensor x = leaf({4, 3}), mean_of = zeros({3}, {.dtype = float64}), var_of = full({3}, 4.0, {.dtype = float64});
  const Tensor y = F::batch_norm(x, mean_of, var_of, {}, {}, false, 0.1, 0.0);
  (void)F::batch_norm(x, mean_of, var_of, {}, {}, true);
  CHECK(largest_difference(grad(y.sum(), x), full({4, 3}, 0.5, {.dtype = float64})) < 1e-14);
}

TEST_CASE("batch_norm does not depend on the number of threads") {
  const auto f = [](const std::vector<Tensor>& in) { return F::batch_norm(in[0], {}, {}, in[1], in[2], true); };
  check_threads(f, {leaf({64, 17, 31}, 1), leaf({17}, 2), leaf({17}, 3)});
  check_threads(f, {leaf({301, 131}, 1), leaf({131}, 2), leaf({131}, 3)});
}

TEST_CASE("batch_norm says what does not fit") {
  const Tensor mean_of = zeros({3}), var_of = ones({3});
  check_error(
      [&] {
        (void)F::batch_norm(zeros({1, 3}), mean_of, var_of, {}, {}, true);
      },
      {"batch_norm", "(1, 3)", "at least 2"});
  check_error([&] { (void)F::batch_norm(zeros({1, 3, 1, 1}), {}, {}, {}, {}, false); }, {"batch_norm", "(1, 3, 1, 1)"});
  check_error(
      [&] {
        (void)F::batch_norm(zeros({2, 4}), mean_of, var_of);
      },
      {"batch_norm", "running mean", "(3)", "(4)", "(2, 4)"});
  check_error([&] { (void)F::batch_norm(zeros({2, 4}), {}, {}, zeros({5})); }, {"batch_norm", "weight", "(5)", "(4)"});
  check_error([&] { (void)F::batch_norm(zeros({2, 3}), mean_of, {}); }, {"batch_norm", "together"});
  check_error([&] { (void)F::batch_norm(zeros({3}), mean_of, var_of); }, {"batch_norm", "(3)", "(N, channels)"});
  check_error(
      [&] {
        (void)F::batch_norm(zeros({2, 3}), zeros({3}, {.dtype = float64}), ones({3}, {.dtype = float64}));
      },
      {"batch_norm", "float32", "float64"});
}
