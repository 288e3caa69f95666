#include <cmath>
#include <limits>

#include "gradus/nn/dropout.hpp"
#include "gradus/nn/functional.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;

TEST_CASE("dropout keeps the mean and drops the right share") {
  for (const double p : {0.1, 0.5, 0.9}) {
    for (const DType dtype : {float32, float64}) {
      Generator generator(1);
      const Index n = 100003;
      const Tensor y = F::dropout(ones({n}, {.dtype = dtype}), p, true, &generator);
      const double dropped = (y == 0.0).sum().item() / double(n);
      CHECK(std::abs(dropped - p) < 5 * std::sqrt(p * (1 - p) / double(n)));  // five standard deviations
      // What is kept is divided by 1 - p.
      CHECK(allclose(where(y == 0.0, 1 / (1 - p), y), full({n}, 1 / (1 - p), {.dtype = dtype})));
    }
  }
}

TEST_CASE("dropout does nothing when it should not") {
  const Tensor x = normal_numbers({100});
  CHECK(largest_difference(F::dropout(x, 0.0), x) == 0);
  CHECK(largest_difference(F::dropout(x, 0.7, false), x) == 0);
  CHECK(largest_difference(F::alpha_dropout(x, 0.0), x) == 0);
  CHECK(largest_difference(F::alpha_dropout(x, 0.7, false), x) == 0);
  // Everything dropped is 0, whatever it was.
  const Tensor odd = tensor({NAN, std::numeric_limits<double>::infinity(), 1});
  CHECK(allclose(F::dropout(odd, 1.0), zeros({3})));
  CHECK(allclose(F::alpha_dropout(odd, 1.0), zeros({3})));
  CHECK(F::dropout(zeros({0, 3}), 0.5).shape() == Shape{0, 3});
}

TEST_CASE("dropout's choice depends on seed, draw and place alone") {
  const Tensor x = ones({5000});
  Generator a(3), b(3);
  const Tensor first = F::dropout(x, 0.5, true, &a), second = F::dropout(x, 0.5, true, &a);
  CHECK(!allclose(first, second));
  CHECK(largest_difference(first, F::dropout(x, 0.5, true, &b)) == 0);
  // The same places in float64, in another shape, and in a shorter tensor.
  Generator c(3), d(3);
  CHECK(allclose(F::dropout(x.to(float64).reshape({50, 100}), 0.5, true, &c).reshape({5000}).to(float32), first));
  CHECK(allclose(F::dropout(x.slice(0, 0, 17), 0.5, true, &d), first.slice(0, 0, 17)));
  // Its own default stream: drawing elsewhere changes nothing.
  manual_seed(5);
  const Tensor alone = F::dropout(x);
  manual_seed(5);
  (void)randn({7});
  CHECK(allclose(F::dropout(x), alone));
}

TEST_CASE("dropout passes the gradient where it kept the value, in any order") {
  const Tensor x = leaf({1000});
  const Tensor y = F::dropout(x, 0.3);
  CHECK(largest_difference(grad(y.sum(), x), y / x) < 1e-12);
  const auto fixed = [](const std::vector<Tensor>& in) {
    Generator generator(4);
    return square(F::dropout(in[0], 0.3, true, &generator));
  };
  check_derivatives(fixed, {leaf({3, 7})});
  check_threads(fixed, {leaf({40000})});
  const auto alpha = [](const std::vector<Tensor>& in) {
    Generator generator(4);
    return square(F::alpha_dropout(in[0], 0.3, true, &generator));
  };
  check_derivatives(alpha, {leaf({3, 7})});
}

TEST_CASE("alpha_dropout keeps mean 0 and variance 1") {
  // a and b of the paper's authors, for 5 and 20 percent: at 0 a kept element gives b, at 1 it gives a + b.
  const struct { double p, a, b; } known[] = {{0.05, 0.9548444760, 0.0839355722}, {0.2, 0.8789035834, 0.3090399621}};
  constexpr double lowest = -1.7580993408473766;
  for (const auto& [p, a, b] : known) {
    Generator generator(2), again(2);
    const Tensor zero = F::alpha_dropout(zeros({1000}, {.dtype = float64}), p, true, &generator);
    const Tensor one = F::alpha_dropout(ones({1000}, {.dtype = float64}), p, true, &again);
    Index kept = 0;
    for (Index i = 0; i < 1000; ++i) {
      if (one.data<double>()[i] == zero.data<double>()[i]) {
        CHECK(std::abs(zero.data<double>()[i] - (a * lowest + b)) < 1e-9);
      } else {
        CHECK(std::abs(zero.data<double>()[i] - b) < 1e-9);
        CHECK(std::abs(one.data<double>()[i] - (a + b)) < 1e-9);
        ++kept;
      }
    }
    CHECK(std::abs(double(kept) / 1000 - (1 - p)) < 0.07);
  }
  Generator generator(3);
  const Tensor y = F::alpha_dropout(normal_numbers({1000, 1000}), 0.2, true, &generator);
  CHECK(std::abs(y.mean().item()) < 0.005);
  CHECK(std::abs(y.var().item() - 1) < 0.01);
}

TEST_CASE("dropout refuses what is no probability") {
  const Tensor x = zeros({2});
  check_error([&] { (void)F::dropout(x, 1.5); }, {"dropout", "1.5", "[0, 1]"});
  check_error([&] { (void)F::dropout(x, -0.1, false); }, {"dropout", "-0.1"});
  check_error([&] { (void)F::dropout(x, NAN); }, {"dropout", "nan"});
  check_error([&] { (void)F::alpha_dropout(x, 2); }, {"alpha_dropout", "2"});
  check_error([&] { (void)F::dropout(zeros({2}, {.dtype = int64})); }, {"dropout", "int64"});
}

TEST_CASE("drop_path drops whole samples") {
  for (const double p : {0.1, 0.5, 0.9}) {
    CAPTURE(p);
    Generator generator(2);
    const Index n = 20011;
    const Tensor y = F::drop_path(ones({n, 2, 3}, {.dtype = float64}), p, true, &generator).reshape({n, 6});
    const Tensor dropped = y == 0.0, count = dropped.sum({.axes = {1}});
    CHECK(((count == 0.0).sum() + (count == 6.0).sum()).item() == double(n));
    CHECK(std::abs((count == 6.0).sum().item() / double(n) - p) < 5 * std::sqrt(p * (1 - p) / double(n)));
    CHECK(allclose(where(dropped, 1 / (1 - p), y), full({n, 6}, 1 / (1 - p), {.dtype = float64})));
  }
  const Tensor x = normal_numbers({7, 3});
  CHECK(largest_difference(F::drop_path(x, 0.0), x) == 0);
  CHECK(largest_difference(F::drop_path(x, 0.7, false), x) == 0);
  CHECK(allclose(F::drop_path(tensor({{NAN, 1}, {2, 3}}), 1.0), zeros({2, 2})));
  CHECK(F::drop_path(zeros({0, 3}), 0.5).shape() == Shape{0, 3});
  CHECK(F::drop_path(x.reshape({21}), 0.5).shape() == Shape{21});
  // The choice is drawn from the stream for dropout, and the gradient passes where the sample was kept.
  manual_seed(5);
  const Tensor a = leaf({50, 4}), y = F::drop_path(a, 0.4);
  CHECK(largest_difference(grad(y.sum(), a), y / a) < 1e-12);
  manual_seed(5);
  (void)randn({7});
  CHECK(allclose(F::drop_path(a, 0.4), y));
  const auto fixed = [](const std::vector<Tensor>& in) {
    Generator generator(1);
    return square(F::drop_path(in[0], 0.5, true, &generator));
  };
  check_derivatives(fixed, {leaf({6, 3})});
  nn::DropPath layer{0.3};
  CHECK(layer.p() == 0.3);
  CHECK(largest_difference(layer(a), a) > 0);
  layer.eval();
  CHECK(largest_difference(layer(a), a) == 0);
  check_error([] { nn::DropPath{1.5}; }, {"drop_path", "1.5"});
  check_error([] { (void)F::drop_path(zeros({}), 0.5); }, {"drop_path", "scalar"});
  check_error([] { (void)F::drop_path(zeros({2}), -0.1); }, {"drop_path", "-0.1"});
}
