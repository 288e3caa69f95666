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
