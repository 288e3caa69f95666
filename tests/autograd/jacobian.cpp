#include "gradus/autograd/jacobian.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/autograd/mode.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::autograd;

namespace {

Tensor numbers(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return randn(shape, {.dtype = float64, .generator = &generator});
}

double at(const Tensor& x, Index i) { return x.data<double>()[i]; }

// x of shape (2, 3) to shape (3, 2), every element of which depends on every input.
Tensor mixed(const Tensor& x) { return (matmul(x.t(), x * x) * exp(sum(sin(x)) * 0.25)).slice(1, 0, 2); }

Tensor scalar(const Tensor& x) { return sum(mixed(x)) + sum(x * x * x); }

// (f(x + h e_j) - f(x - h e_j)) / 2h
Tensor central(const UnaryFunction& f, const Tensor& x, Index j, double h = 1e-5) {
  const Tensor up = x.detach().clone(), down = x.detach().clone();
  up.data<double>()[j] += h;
  down.data<double>()[j] -= h;
  return (f(up) - f(down)) / (2 * h);
}

}  // namespace

TEST_CASE("the jacobian of softmax is diag(p) - p p^T") {
  const Tensor x = numbers({5}, 1);
  const Tensor j = jacobian([](const Tensor& v) { return softmax(v, 0); }, x);
  const Tensor p = softmax(x, 0);
  REQUIRE(j.shape() == Shape{5, 5});
  CHECK_FALSE(j.requires_grad());
  for (Index i = 0; i < 5; ++i)
    for (Index k = 0; k < 5; ++k)
      CHECK(at(j, i * 5 + k) == doctest::Approx(at(p, i) * ((i == k) - at(p, k))).epsilon(1e-12));
}

TEST_CASE("the jacobian of a matrix function has the shapes of output and input, and equals differences") {
  const Tensor x = numbers({2, 3}, 2);
  const Tensor j = jacobian(mixed, x);
  REQUIRE(j.shape() == Shape{3, 2, 2, 3});
  for (Index k = 0; k < 6; ++k) {
    const Tensor column = central(mixed, x, k);
    for (Index i = 0; i < 6; ++i) CHECK(std::abs(at(j, i * 6 + k) - at(column, i)) < 1e-7);
  }
}

TEST_CASE("the jacobian of a linear map is its matrix, of float32 too, and of the identity the unit matrix") {
  const Tensor a = tensor({{1, 2, 3}, {4, 5, 6}});
  const Tensor j = jacobian([&](const Tensor& v) { return matmul(a, v); }, ones({3}));
  REQUIRE(j.shape() == Shape{2, 3});
  for (Index i = 0; i < 6; ++i) CHECK(j.data<float>()[i] == float(i + 1));
  const Tensor unit = jacobian([](const Tensor& v) { return v; }, numbers({2}, 3));
  CHECK(at(unit, 0) == 1);
  CHECK(at(unit, 1) == 0);
  CHECK(at(unit, 2) == 0);
  CHECK(at(unit, 3) == 1);
}

TEST_CASE("the hessian of x^T A x / 2 + sum x^3 is (A + A^T) / 2 + 6 diag(x)") {
  const Tensor a = numbers({4, 4}, 4), x = numbers({4}, 5);
  const Tensor h = hessian([&](const Tensor& v) { return sum(v * matmul(a, v)) * 0.5 + sum(v * v * v); }, x);
  REQUIRE(h.shape() == Shape{4, 4});
  for (Index i = 0; i < 4; ++i)
    for (Index k = 0; k < 4; ++k)
      CHECK(at(h, i * 4 + k) ==
            doctest::Approx((at(a, i * 4 + k) + at(a, k * 4 + i)) / 2 + (i == k ? 6 * at(x, i) : 0)).epsilon(1e-12));
}

TEST_CASE("products with a vector are those of the whole derivative") {
  const Tensor x = numbers({2, 3}, 6), v = numbers({2, 3}, 7), u = numbers({3, 2}, 8);
  const Tensor j = jacobian(mixed, x).reshape({6, 6}), h = hessian(scalar, x).reshape({6, 6});
  const FunctionProduct forward = jvp(mixed, x, v), backward = vjp(mixed, x, u);
  const FunctionProduct left = vhp(scalar, x, v), right = hvp(scalar, x, v);
  REQUIRE(forward.product.shape() == Shape{3, 2});
  REQUIRE(backward.product.shape() == Shape{2, 3});
  REQUIRE(left.product.shape() == Shape{2, 3});
  const Tensor jv = matmul(j, v.reshape({6})), uj = matmul(u.reshape({6}), j), hv = matmul(h, v.reshape({6}));
  for (Index i = 0; i < 6; ++i) {
    CHECK(at(forward.product, i) == doctest::Approx(at(jv, i)).epsilon(1e-11));
    CHECK(at(backward.product, i) == doctest::Approx(at(uj, i)).epsilon(1e-11));
    CHECK(at(left.product, i) == doctest::Approx(at(hv, i)).epsilon(1e-11));
    CHECK(at(right.product, i) == at(left.product, i));
    CHECK(at(forward.value, i) == at(mixed(x), i));
  }
  CHECK(left.value.item() == scalar(x).item());
  CHECK_FALSE(forward.product.requires_grad());
  CHECK_FALSE(left.value.requires_grad());
  // H v against differences of the function itself
  const double h4 = 1e-3;
  const double second = (scalar(x + v * h4).item() - 2 * scalar(x).item() + scalar(x - v * h4).item()) / (h4 * h4);
  CHECK(sum(left.product * v).item() == doctest::Approx(second).epsilon(1e-4));
}

TEST_CASE("what does not depend on x, or only linearly, has zeros") {
  const Tensor x = numbers({3}, 9), v = numbers({3}, 10);
  const UnaryFunction constant = [](const Tensor&) { return ones({2}, {.dtype = float64}); };
  const UnaryFunction linear = [](const Tensor& t) { return sum(t * 2.0); };
  for (const Tensor& zero :
       {jacobian(constant, x), jvp(constant, x, v).product, hessian(linear, x), hvp(linear, x, v).product})
    for (Index i = 0; i < zero.numel(); ++i) CHECK(at(zero, i) == 0);
  CHECK(jacobian(constant, x).shape() == Shape{2, 3});
  CHECK(jacobian([](const Tensor& t) { return t * t; }, numbers({0}, 1)).shape() == Shape{0, 0});
}

TEST_CASE("derivatives are taken inside NoGrad, at a tensor on the tape, and leave grad() alone") {
  const NoGrad no_grad;
  Tensor x = numbers({3}, 11);
  x.requires_grad_();
  CHECK(at(jacobian([](const Tensor& t) { return t * t; }, x), 4) == 2 * at(x, 1));
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("misuse of derivatives is answered") {
  const Tensor x = numbers({3}, 12);
  const UnaryFunction square = [](const Tensor& t) { return t * t; };
  const UnaryFunction total = [](const Tensor& t) { return sum(t * t); };
  CHECK(thrown([&] { (void)hessian(square, x); }) ==
        "hessian: the function must have one element, but its value has shape (3); reduce it, or take the jacobian");
  CHECK(thrown([&] { (void)hvp(total, x, numbers({4}, 1)); }) ==
        "hvp: the vector v has shape (4), but x has shape (3)");
  CHECK(thrown([&] { (void)vjp(square, x, numbers({1}, 1)); }) ==
        "vjp: the vector v has shape (1), but the function's value has shape (3)");
  CHECK(thrown([&] { (void)jvp(square, x, ones({3})); }).find("jvp") == 0);
  CHECK(thrown([&] { (void)jacobian({}, x); }) == "jacobian: the function is empty");
  CHECK(thrown([&] { (void)jacobian(square, arange(3)); }).find("jacobian") == 0);
  CHECK(thrown([&] { (void)jacobian([](const Tensor&) { return Tensor{}; }, x); }) ==
        "jacobian: the function gave an undefined tensor");
}
