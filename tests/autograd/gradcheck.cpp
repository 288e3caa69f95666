#include "gradus/autograd/gradcheck.hpp"

#include <doctest/doctest.h>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/record.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

using namespace gradus;
using autograd::Grads;
using autograd::record;
using autograd::saves;

namespace {

using Tensors = std::vector<Tensor>;

Tensor input(const Shape& shape, std::uint64_t seed = 1) {
  Generator generator(seed);
  return randn(shape, {.dtype = float64, .requires_grad = true, .generator = &generator});
}

// a b^2, with a rule that is off by `error` for b.
Tensor product(const Tensor& a, const Tensor& b, double error) {
  return record("product", (a * b * b).detach(), {a, b}, saves(a, b),
                [error](const Tensor& g, const Tensor& x, const Tensor& y) {
                  return Grads{g * y * y, g * ((2.0 + error) * x * y)};
                });
}

// x^3 with a right rule whose own derivative is wrong: a constant where 3 x^2 is meant.
Tensor cube(const Tensor& x) {
  return record("cube", (x * x * x).detach(), {x}, saves(x),
                [](const Tensor& g, const Tensor& v) { return Grads{g * (3.0 * v * v).detach()}; });
}

}  // namespace

TEST_CASE("right derivatives pass, for one and several inputs") {
  const auto f = [](const Tensors& x) { return sum(sin(matmul(x[0], x[1])), {.axes = {0}}); };
  CHECK(gradcheck(f, {input({3, 4}), input({4, 2})}));
  CHECK(gradgradcheck(f, {input({3, 4}), input({4, 2})}));
  // inputs without a gradient are held fixed, whatever their type
  CHECK(gradcheck([](const Tensors& x) { return index_select(x[0], 0, x[1]); },
                  {input({3}), tensor({2, 2, 0}, {.dtype = int64})}));
  // a function that does not depend on its input has the derivative 0
  CHECK(gradcheck([](const Tensors&) { return ones({2}, {.dtype = float64}); }, {input({3})}));
  CHECK(gradgradcheck([](const Tensors& x) { return x[0] * 2.0; }, {input({3})}));
  CHECK(gradcheck([](const Tensors& x) { return x[0]; }, {input({0, 2})}));
}

TEST_CASE("a wrong rule fails, and the message says where and by how much") {
  const Tensors inputs{input({3, 2}), input({3, 2}, 2)};
  const auto f = [](double error) { return [error](const Tensors& x) { return product(x[0], x[1], error); }; };
  CHECK(gradcheck(f(0), inputs));
  CHECK(gradgradcheck(f(0), inputs));
  for (const double error : {1.0, -0.1, 1e-3}) {
    const GradcheckResult result = gradcheck(f(error), inputs);
    CHECK(!result);
    CHECK(result.message.find("gradcheck: input 1 of shape (3, 2), direction 0: expected ") == 0);
    CHECK(result.message.find("received ") != std::string::npos);
    CHECK(result.message.find("seed 0") != std::string::npos);
  }
}

TEST_CASE("a rule that is right once and wrong twice passes the first check and fails the second") {
  const auto f = [](const Tensors& x) { return cube(x[0]); };
  CHECK(gradcheck(f, {input({4})}));
  const GradcheckResult result = gradgradcheck(f, {input({4})});
  CHECK(!result);
  CHECK(result.message.find("gradgradcheck: input 0") == 0);
}

TEST_CASE("a derivative that is NaN fails") {
  const auto f = [](const Tensors& x) {
    return record("nan", x[0].detach().clone(), {x[0]}, [](const Tensor& g) { return Grads{g / 0.0 * 0.0}; });
  };
  CHECK(!gradcheck(f, {input({2})}));
}

TEST_CASE("a derivative that is dropped fails") {
  CHECK(!gradcheck([](const Tensors& x) { return x[0] * x[0].detach(); }, {input({2})}));
}

TEST_CASE("the check leaves its inputs alone and works under NoGrad") {
  const Tensor x = input({3});
  const std::vector<double> before = to_vector<double>(x);
  const NoGrad no_grad;
  CHECK(gradcheck([](const Tensors& v) { return square(v[0]); }, {x}));
  CHECK(gradgradcheck([](const Tensors& v) { return square(v[0]); }, {x}));
  CHECK(to_vector<double>(x) == before);
  CHECK(!x.grad().defined());
  CHECK(!autograd::is_recording());
}

TEST_CASE("misuse") {
  const auto f = [](const Tensors& x) { return x[0]; };
  CHECK_THROWS_WITH_AS((void)gradcheck(f, {ones({2}, {.requires_grad = true})}),
                       "gradcheck: input 0 is float32; finite differences need float64", Error);
  CHECK_THROWS_WITH_AS((void)gradcheck(f, {ones({2}, {.dtype = float64})}),
                       "gradcheck: none of the 1 inputs requires a gradient", Error);
  CHECK_THROWS_WITH_AS((void)gradcheck([](const Tensors& x) { return x[0].to(float32); }, {input({2})}),
                       "gradcheck: the function gives float32; it must compute in float64", Error);
}
