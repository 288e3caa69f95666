#include "gradus/tensor/factories.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "gradus/ops/ops.hpp"
#include "thrown.hpp"

using namespace gradus;

TEST_CASE("constants, in every type") {
  for (const DType dtype : {float32, float64, int64}) {
    CHECK(sum(ones({2, 3}, {.dtype = dtype})).item() == 6);
    CHECK(sum(zeros({2, 3}, {.dtype = dtype})).item() == 0);
    CHECK(full({2}, -7, {.dtype = dtype})[1].item() == -7);
    CHECK(empty({2, 0}, {.dtype = dtype}).numel() == 0);
    CHECK(to_vector<double>(eye(2, {.dtype = dtype}).to(float64)) == std::vector<double>{1, 0, 0, 1});
    const Tensor x = full({3}, 2, {.dtype = dtype});
    CHECK(ones_like(x).dtype() == dtype);
    CHECK(zeros_like(x).shape() == Shape{3});
    CHECK(full_like(x, 4)[2].item() == 4);
  }
  CHECK(zeros({2}).dtype() == float32);
  CHECK(ones({2}, {.requires_grad = true}).requires_grad());
  CHECK(eye(0).shape() == Shape{0, 0});
  CHECK(zeros({}).item() == 0);
}

TEST_CASE("ranges") {
  CHECK(to_vector<std::int64_t>(arange(4)) == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(to_vector<std::int64_t>(arange(5, 0, -2)) == std::vector<std::int64_t>{5, 3, 1});
  CHECK(arange(0, 1, 0.25).dtype() == float32);
  CHECK(to_vector<float>(arange(0, 1, 0.25)) == std::vector<float>{0, 0.25, 0.5, 0.75});
  CHECK(arange(3, {.dtype = float64}).dtype() == float64);
  CHECK(arange(0).numel() == 0);
  CHECK(arange(3, 1).numel() == 0);
  CHECK(to_vector<double>(linspace(0, 1, 5, {.dtype = float64})) == std::vector<double>{0, 0.25, 0.5, 0.75, 1});
  const Tensor line = linspace(-3, 3, 61, {.dtype = float64});
  CHECK(line[0].item() == -3);
  CHECK(line[30].item() == 0);
  CHECK(line[60].item() == 3);
  CHECK(allclose(linspace(0, 49, 50, {.dtype = float64}), arange(50, {.dtype = float64}), {.rtol = 0, .atol = 0}));
  CHECK(to_vector<double>(linspace(-1.5e308, 1.5e308, 3, {.dtype = float64})) == std::vector<double>{-1.5e308, 0, 1.5e308});
  CHECK(linspace(2, 9, 1).item() == 2);
  CHECK(linspace(2, 9, 0).numel() == 0);
  CHECK(thrown([] { (void)arange(0, 5, 0); }).find("arange: ") == 0);
  CHECK(thrown([] { (void)arange(0.0, std::numeric_limits<double>::infinity()); }).find("has no end") !=
        std::string::npos);
  CHECK(thrown([] { (void)arange(0.0, 1e300, 1.0); }).find("too many") != std::string::npos);
  CHECK(thrown([] { (void)arange(0.0, 1.0, 0.5, {.dtype = int64}); }).find("arange: ") == 0);
  CHECK(thrown([] { (void)linspace(0, 1, -1); }).find("linspace: ") == 0);
  CHECK(thrown([] { (void)linspace(0, 1, 3, {.dtype = int64}); }).find("linspace: ") == 0);
}

TEST_CASE("numbers given one by one") {
  CHECK(tensor(3.0).dim() == 0);
  CHECK(tensor({1, 2, 3}).shape() == Shape{3});
  CHECK(tensor({{1, 2}, {3, 4}, {5, 6}}).shape() == Shape{3, 2});
  const Tensor cube = tensor({{{1, 2}}, {{3, 4}}, {{5, 6}}});
  CHECK(cube.shape() == Shape{3, 1, 2});
  CHECK(cube[2][0][1].item() == 6);
  CHECK(tensor({1.5, 2}, {.dtype = float64}).dtype() == float64);
  CHECK(thrown([] {
          (void)tensor({{1, 2}, {3}});
        }) == "tensor: rows have 2 and 1 elements; all must have the same number");
  CHECK(thrown([] { (void)tensor({{{1, 2}}, {{3, 4}, {5, 6}}}); }).find("rows have 1 and 2") != std::string::npos);
  CHECK(thrown([] { (void)tensor({0.5}, {.dtype = int64}); }).find("tensor: the number 0.5") == 0);
  CHECK(to_vector<double>(from_vector(std::vector<double>{1, 2, 3, 4}, {2, 2})) == std::vector<double>{1, 2, 3, 4});
  CHECK(from_vector(std::vector<float>{}).shape() == Shape{0});
  CHECK(thrown([] {
          (void)from_vector(std::vector<float>{1, 2}, {3});
        }) == "from_vector: 2 values do not fill a tensor of shape (3)");
  CHECK(thrown([] { (void)to_vector<float>(zeros({1}, {.dtype = float64})); }).find("float64") != std::string::npos);
}

TEST_CASE("impossible shapes are refused before any memory is asked for") {
  CHECK(thrown([] { (void)zeros({-1, 2}); }) == "zeros: size -1 at axis 0 of shape (-1, 2) is negative");
  CHECK(thrown([] { (void)eye(-1); }).find("eye: ") == 0);
  CHECK(thrown([] { (void)ones({1'000'000'000, 1'000'000'000}); }).find("ones: a tensor of shape") == 0);
  CHECK(thrown([] { (void)zeros({Index{1} << 62, 4}); }).find("too large for any memory") != std::string::npos);
  CHECK(thrown([] {
          (void)zeros({0, Index{1} << 40, Index{1} << 40});
        }).find("too large for any memory") != std::string::npos);
  CHECK(thrown([] {
          (void)zeros({1 << 30, 1 << 18});
        }).find("zeros: out of memory for a float32 tensor of shape (1073741824, 262144): ") == 0);
  CHECK(thrown([] { (void)zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}); }).find("at most 8") != std::string::npos);
  CHECK(zeros({1, 1, 1, 1, 1, 1, 1, 1}).dim() == 8);
  CHECK(zeros({0, 1'000'000}).numel() == 0);
}

TEST_CASE("random tensors come from the generator given, or the default one") {
  Generator a(5), b(5);
  CHECK(allclose(randn({3}, {.generator = &a}), randn({3}, {.generator = &b}), {.rtol = 0, .atol = 0}));
  CHECK(!allclose(randn({3}, {.generator = &a}), randn({4}, {.generator = &a}).slice(0, 0, 3)));
  manual_seed(3);
  const Tensor first = rand({5});
  manual_seed(3);
  CHECK(allclose(first, rand({5}), {.rtol = 0, .atol = 0}));
  CHECK(default_generator().state().draws == 1);
  // float32 and float64 numbers of one draw are different numbers
  CHECK(rand({2}, {.dtype = float64}).dtype() == float64);
  const Tensor u = uniform({1000}, -2, 5);
  CHECK(min(u).item() >= -2);
  CHECK(max(u).item() < 5);
  const Tensor z = normal({100'000}, 3, 0.5, {.dtype = float64});
  CHECK(mean(z).item() == doctest::Approx(3).epsilon(0.003));
  CHECK(gradus::std(z).item() == doctest::Approx(0.5).epsilon(0.01));
  const Tensor i = randint(-2, 3, {1000});
  CHECK(i.dtype() == int64);
  CHECK(min(i).item() == -2);
  CHECK(max(i).item() == 2);
  CHECK(randint(0, 2, {5}, {.dtype = float32}).dtype() == float32);
  CHECK(to_vector<std::int64_t>(sort(randperm(100)).values) == to_vector<std::int64_t>(arange(100)));
  CHECK(randperm(3, {.dtype = float64}).dtype() == float64);
  CHECK(sum(bernoulli({100}, 1)).item() == 100);
  CHECK(to_vector<float>(bernoulli(tensor({0, 1, 0}))) == std::vector<float>{0, 1, 0});
  CHECK(rand({0, 2}).shape() == Shape{0, 2});
  CHECK(randperm(0).numel() == 0);
}

TEST_CASE("impossible distributions are refused") {
  CHECK(thrown([] { (void)uniform({2}, 1, 0); }) == "uniform: no numbers lie between 1 and 0");
  CHECK(thrown([] { (void)uniform({2}, 0, std::numeric_limits<double>::infinity()); }).find("uniform: ") == 0);
  CHECK(thrown([] { (void)uniform({2}, -3e38, 3e38); }).find("beyond float32") != std::string::npos);
  CHECK(std::isfinite(uniform({2}, -3e38, 3e38, {.dtype = float64})[0].item()));
  CHECK(thrown([] { (void)normal({2}, 0, -1); }) == "normal: a standard deviation of -1 is negative");
  CHECK(thrown([] { (void)randint(3, 3, {2}); }) == "randint: no whole number lies in [3, 3)");
  CHECK(thrown([] { (void)bernoulli({2}, 1.5); }) == "bernoulli: 1.5 is no probability");
  CHECK(thrown([] { (void)bernoulli(tensor({0.5, std::nan("")})); }).find("bernoulli: nan") == 0);
  CHECK(thrown([] { (void)rand({2}, {.dtype = int64}); }).find("uniform: needs float32 or float64") == 0);
  CHECK(thrown([] { (void)randperm(-1); }).find("randperm: ") == 0);
}
