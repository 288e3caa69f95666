#include "gradus/autograd/backward.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/autograd/observer.hpp"
#include "gradus/autograd/record.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;

namespace {

Tensor leaf(double value) { return tensor(value, {.dtype = float64, .requires_grad = true}); }

// y = x, with a rule that throws while `broken`.
Tensor fragile(const Tensor& x, const bool& broken) {
  return autograd::record("fragile", x.detach().clone(), {x}, [&broken](const Tensor& g) {
    if (broken) fail("fragile", "the rule is broken");
    return autograd::Grads{g};
  });
}

}  // namespace

TEST_CASE("a value that is used twice gets both gradients, at every level") {
  const Tensor a = leaf(3);
  const Tensor b = a + a, c = b + b;
  c.backward();
  CHECK(a.grad().item() == 4);
}

TEST_CASE("diamonds: every node is visited once, after all that use it") {
  const Tensor x = leaf(2);
  Tensor y = x;
  // 2^60 paths
  for (int i = 0; i < 60; ++i) y = y * 0.5 + y * 0.5;
  CHECK(grad(y, x).item() == doctest::Approx(1.0));
  // A short and a long way: d (x^2 exp(x^2))/dx = 2x exp(x^2)(1 + x^2)
  const Tensor s = square(x);
  CHECK(grad(s * exp(s), x).item() == doctest::Approx(4 * std::exp(4.0) * 5));
}

TEST_CASE("several inputs, unused ones, and inputs that are results") {
  const Tensor x = leaf(2), y = leaf(5), z = leaf(7);
  const Tensor p = x * y;
  const Tensor out = p * p + x;
  const std::vector<Tensor> grads = grad(out, {x, p, y, x}, {.retain_graph = true});
  CHECK(grads[0].item() == 2 * 10 * 5 + 1);
  CHECK(grads[1].item() == 20);
  CHECK(grads[2].item() == 2 * 10 * 2);
  CHECK(grads[3].item() == grads[0].item());
  CHECK(
      thrown([&] {
        (void)grad(out, {x, z}, {.retain_graph = true});
      }) ==
      "grad: input 1 (shape ()) is unused: the output does not depend on it. Pass {.allow_unused = true} to get zeros");
  CHECK(grad(out, z, {.allow_unused = true}).item() == 0);
  CHECK(grad(out, std::vector<Tensor>{}).empty());
  CHECK(!x.grad().defined());
  CHECK(grad(x, x).item() == 1);
  // An input on the way whose slope is 0 is not unused.
  CHECK(grad(pow(x, 0) * y, x).item() == 0);
  CHECK(thrown([&] { (void)grad(out, tensor(1.0)); }).find("grad: input 0 (shape ()) does not require a gradient") ==
        0);
}

TEST_CASE("grad_output weighs an output of any shape") {
  const Tensor x = tensor({1, 2, 3}, {.requires_grad = true});
  CHECK(to_vector<float>(grad(square(x), x, {.grad_output = tensor({1, 10, 100})})) == std::vector<float>{2, 40, 600});
  CHECK(thrown([&] {
          (void)grad(square(x), x);
        }).find("grad: needs a scalar to start from, but the output has shape (3)") == 0);
  CHECK(thrown([&] {
          (void)grad(square(x), x, {.grad_output = tensor({1, 2})});
        }) == "grad: the gradient has shape (2) but the output has shape (3)");
  CHECK(thrown([&] { square(x).backward(ones({3}, {.dtype = float64})); }).find("float64") != std::string::npos);
  CHECK(thrown([&] { tensor(1.0).backward(); }).find("backward: the output (shape ()) is not on the tape") == 0);
}

TEST_CASE("gradients of zero-size tensors have their shape") {
  const Tensor x = zeros({0, 3}, {.requires_grad = true}), w = ones({3, 2}, {.requires_grad = true});
  matmul(x, w).sum().backward();
  CHECK(x.grad().shape() == Shape{0, 3});
  CHECK(to_vector<float>(w.grad()) == std::vector<float>(6, 0.F));
}

TEST_CASE("backward adds up until it is cleared, and frees the tape") {
  const Tensor x = leaf(3);
  Tensor y = square(x);
  y.backward({.retain_graph = true});
  y.backward();
  CHECK(x.grad().item() == 12);
  CHECK(thrown([&] { y.backward(); }) ==
        "backward: the tape was freed by an earlier backward, at square (shape ()); pass {.retain_graph = true} to the "
        "first "
        "one to go through it twice");
  CHECK(x.grad().item() == 12);
  x.zero_grad();
  CHECK(!x.grad().defined());
  square(x).backward();
  CHECK(x.grad().item() == 6);
}

TEST_CASE("a held gradient does not change under its holder") {
  const Tensor x = leaf(3);
  square(x).backward();
  const Tensor before = x.grad();
  square(x).backward();
  CHECK(before.item() == 6);
  CHECK(x.grad().item() == 12);
}

TEST_CASE("two leaves never share a gradient that can be changed in place") {
  for (const bool create_graph : {false, true}) {
    CAPTURE(create_graph);
    const Tensor a = ones({2}, {.requires_grad = true}), b = ones({2}, {.requires_grad = true}),
                 c = ones({1, 2}, {.requires_grad = true});
    (a + b + c.reshape({2})).sum().backward({.create_graph = create_graph});
    a.grad().mul_(5);
    CHECK(b.grad()[0].item() == 1);
    CHECK(c.grad()[0][1].item() == 1);
    const std::vector<Tensor> grads = grad((a + b).sum(), {a, b}, {.create_graph = create_graph});
    Tensor first = grads[0];
    first.mul_(5);
    CHECK(grads[1][0].item() == 1);
  }
  const Tensor a = ones({2}, {.requires_grad = true});
  Tensor seed = ones({2});
  a.backward(seed);
  seed.mul_(7);
  CHECK(a.grad()[0].item() == 1);
  const Tensor result = grad(a, a, {.grad_output = seed});
  seed.mul_(2);
  CHECK(result[0].item() == 7);
}

TEST_CASE("a rule adds to what has arrived where nobody else sees it") {
  int sums = 0;
  const auto doubled = [&](const Tensor& x) {
    return autograd::record("doubled", (x.detach() * 2.0), {x}, [&sums](const Tensor& g, const autograd::Step& step) {
      Tensor* sum = step.sum(0);
      if (sum == nullptr) return autograd::Grads{g * 2.0};
      ++sums;
      sum->add_(g, 2);
      return autograd::Grads{Tensor{}};
    });
  };
  const Tensor x = ones({3}, {.requires_grad = true}), seed = ones({3});
  (doubled(x) + doubled(x) + doubled(x)).backward(seed);
  CHECK(sums == 2);
  CHECK(allclose(x.grad(), 6 * ones({3})));
  // Another pass starts anew: what a leaf holds is its own.
  const Tensor held = x.grad();
  doubled(x).backward(seed);
  CHECK(sums == 2);
  CHECK(allclose(held, 6 * ones({3})));
  CHECK(allclose(x.grad(), 8 * ones({3})));
  // The seed reaches x first, and is somebody else's.
  x.zero_grad();
  (doubled(x) + x).backward(seed);
  CHECK(allclose(seed, ones({3})));
  CHECK(allclose(x.grad(), 3 * ones({3})));
  // A recorded pass, and one that is looked at, get every gradient.
  sums = 0;
  x.zero_grad();
  (doubled(x) + doubled(x)).backward(seed, {.create_graph = true});
  autograd::Observer observer;
  (doubled(x) + doubled(x)).backward(seed);
  CHECK(sums == 0);
  CHECK(allclose(x.grad(), 8 * ones({3})));
  x.zero_grad();
}

TEST_CASE("products add their gradients to those of other uses") {
  Generator generator(5);
  const TensorOptions options{.dtype = float64, .requires_grad = true, .generator = &generator};
  const Tensor w = randn({4, 4}, options), start = randn({3, 4}, options);
  const auto states = [&] {
    Tensor h = start, total = start;
    for (int t = 0; t < 4; ++t) {
      h = t % 2 == 0 ? matmul(h, w) : matmul(h, w, {.transpose_b = true});
      total = total + h + matmul(w, h, {.transpose_b = true}).t();
    }
    return square(total).sum();
  };
  const std::vector<Tensor> plain = grad(states(), {w, start}),
                            recorded = grad(states(), {w, start}, {.create_graph = true});
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(allclose(plain[i], recorded[i].detach(), {.rtol = 1e-13, .atol = 0}));
}

TEST_CASE("slices add their gradients to those of other uses") {
  Generator generator(6);
  const Tensor x = randn({5, 4, 3}, {.dtype = float64, .requires_grad = true, .generator = &generator});
  const auto total = [&] {
    Tensor sum = square(x).sum();
    for (Index t = 0; t < 5; ++t) sum = sum + double(t) * square(x[t]).sum();
    for (Index j = 0; j < 3; ++j) sum = sum + pow(x.slice(2, j, 3), 3.0).sum();
    return sum + square(x.slice(1, 0, 4, 2)).sum();
  };
  const Tensor plain = grad(total(), x), recorded = grad(total(), x, {.create_graph = true});
  CHECK(allclose(plain, recorded.detach(), {.rtol = 1e-13, .atol = 1e-13}));
}

TEST_CASE("accumulation goes on after a recorded backward") {
  const Tensor x = leaf(3);
  (x * x * x).backward({.create_graph = true});
  CHECK(x.grad().item() == 27);
  CHECK(x.grad().requires_grad());
  (x * x).backward();
  CHECK(x.grad().item() == 33);
  x.zero_grad();
}

TEST_CASE("derivatives of polynomials, orders 1 to 5") {
  // x^4: 4x^3, 12x^2, 24x, 24, 0
  const Tensor x = leaf(3);
  const std::vector<double> expected{108, 108, 72, 24};
  const auto check = [&](Tensor y) {
    for (const double value : expected) {
      y = grad(y, x, {.create_graph = true});
      CHECK(y.item() == doctest::Approx(value));
    }
    const Tensor fifth = y.requires_grad() ? grad(y, x, {.allow_unused = true}) : zeros_like(x);
    CHECK(fifth.item() == doctest::Approx(0.0));
  };
  check(x * x * x * x);
  check(pow(x, 4));
  check(square(square(x)));
  check(prod(stack({x, x, x, x})));
}

TEST_CASE("mixed derivatives are symmetric") {
  const Tensor x = leaf(0.7), y = leaf(1.3);
  const Tensor f = exp(x * y) * sin(x + square(y));
  const Tensor fx = grad(f, x, {.create_graph = true}), fy = grad(f, y, {.create_graph = true});
  CHECK(grad(fx, y, {.retain_graph = true}).item() ==
        doctest::Approx(grad(fy, x, {.retain_graph = true}).item()).epsilon(1e-12));
}

TEST_CASE("grad of a backward that was not recorded is off the tape") {
  const Tensor x = leaf(3);
  CHECK(!grad(x * x * x, x).requires_grad());
  CHECK(grad(x * x * x, x, {.create_graph = true}).requires_grad());
}

TEST_CASE("retain_grad keeps the gradient of a result") {
  const Tensor x = leaf(2);
  Tensor y = square(x);
  y.retain_grad();
  (y * 3.0).backward();
  CHECK(y.grad().item() == 3);
  CHECK(x.grad().item() == 12);
  CHECK(thrown([] {
          Tensor plain = tensor(1);
          plain.retain_grad();
        }) == "retain_grad: the tensor does not require a gradient");
}

TEST_CASE("a value changed in place after it was saved is noticed") {
  const Tensor x = leaf(2);
  Tensor w = tensor(3, {.dtype = float64});
  const Tensor y = x * w;
  w.mul_(2);
  CHECK(thrown([&] { y.backward(); }).find("backward: a value that mul (shape ()) saved was changed in place") == 0);

  Tensor p = leaf(2);
  const Tensor square_of_p = p * p;
  {
    const NoGrad no_grad;
    p.add_(tensor(1, {.dtype = float64}));
  }
  CHECK(thrown([&] { square_of_p.backward(); }).find("changed in place") != std::string::npos);

  // The output of exp is what its rule reads; detach() shares its numbers.
  const Tensor e = exp(x);
  e.detach().fill_(0);
  CHECK(thrown([&] { e.backward(); }).find("exp") != std::string::npos);

  Tensor q = leaf(2);
  const Tensor z = q * q;
  q.set_data(tensor(5, {.dtype = float64}));
  CHECK(thrown([&] { z.backward(); }).find("changed in place") != std::string::npos);

  // What no rule reads may change.
  Tensor s = leaf(2);
  const Tensor sum = s + 1.0;
  {
    const NoGrad no_grad;
    s.fill_(9);
  }
  sum.backward();
  CHECK(s.grad().item() == 1);
}

TEST_CASE("what is on the tape cannot be changed in place") {
  Tensor x = leaf(2), y = x * 2.0;
  const Tensor one = tensor(1, {.dtype = float64});
  CHECK(thrown([&] { x.fill_(1); }) == "fill_: the tensor (shape ()) requires a gradient; change it under NoGrad");
  CHECK(thrown([&] { x.mul_(1); }).find("mul_: ") == 0);
  CHECK(thrown([&] { y.add_(one); }).find("add_: the tensor (shape ()) is the result of mul and on the tape") == 0);
  CHECK(thrown([&] { y.set_data(one); }).find("set_data: ") == 0);
  const NoGrad no_grad;
  CHECK(thrown([&] { y.copy_(one); }).find("copy_: ") == 0);
  CHECK(thrown([&] { x.copy_(zeros({2}, {.dtype = float64})); }) == "copy_: the tensor has shape () and the other (2)");
  CHECK(thrown([&] { x.add_(tensor(1)); }).find("float32") != std::string::npos);
  CHECK(thrown([&] { x.set_data(tensor(1, {.dtype = int64})); }).find("int64") != std::string::npos);
  x.copy_(one);
  CHECK(x.item() == 1);
}

TEST_CASE("NoGrad and EnableGrad nest") {
  const Tensor x = leaf(2);
  {
    const NoGrad off;
    CHECK(!(x * 2.0).requires_grad());
    {
      const EnableGrad on;
      CHECK((x * 2.0).requires_grad());
      const NoGrad off_again;
      CHECK(!(x * 2.0).requires_grad());
    }
    CHECK(!(x * 2.0).requires_grad());
  }
  CHECK((x * 2.0).requires_grad());
  try {
    const NoGrad off;
    fail("test", "leaving by an exception");
  } catch (const Error&) {
  }
  CHECK((x * 2.0).requires_grad());
}

TEST_CASE("a rule that throws leaves the engine usable") {
  bool broken = true;
  const Tensor x = leaf(2), y = leaf(5);
  const Tensor middle = x * y;
  const Tensor out = fragile(middle, broken) * y + square(y);
  for (int attempt = 0; attempt < 2; ++attempt)
    CHECK(thrown([&] { (void)grad(out, {x, y}, {.retain_graph = true}); }) == "fragile: the rule is broken");
  CHECK(autograd::is_recording());
  broken = false;
  const std::vector<Tensor> grads = grad(out, {x, y}, {.retain_graph = true});
  CHECK(grads[0].item() == 25);
  CHECK(grads[1].item() == 2 * 2 * 5 + 10);
  out.backward();
  CHECK(x.grad().item() == 25);
}

TEST_CASE("a rule may run a backward pass of its own, over another tape") {
  const Tensor x = leaf(3);
  const Tensor y = autograd::record("inner", tensor(27, {.dtype = float64}), {x}, autograd::saves(x),
                                    [](const Tensor& g, const Tensor& v) {
                                      const EnableGrad on;
                                      const Tensor own = v.detach().requires_grad_();
                                      return autograd::Grads{g * grad(own * own * own, own)};
                                    });
  y.backward();
  CHECK(x.grad().item() == 27);
}

TEST_CASE("a wrong rule is called by its name") {
  const Tensor x = ones({2, 3}, {.requires_grad = true}), y = ones({2, 3}, {.requires_grad = true});
  const auto with_rule = [&](auto rule) {
    return thrown([&] { autograd::record("mine", ones({2, 3}), {x, y}, rule).sum().backward(); });
  };
  CHECK(with_rule([](const Tensor& g) { return autograd::Grads{g}; }) ==
        "backward: the rule of mine gives 1 gradients for 2 inputs; an undefined tensor stands for zero");
  CHECK(with_rule([](const Tensor& g) {
          return autograd::Grads{g, g.t()};
        }) == "backward: the rule of mine gives a gradient of float32 (3, 2) for input 1, which is float32 (2, 3)");
  CHECK(with_rule([](const Tensor& g) {
          return autograd::Grads{g.to(float64), g};
        }) == "backward: the rule of mine gives a gradient of float64 (2, 3) for input 0, which is float32 (2, 3)");
  CHECK(with_rule([](const Tensor& g) { return autograd::Grads{g, Tensor{}}; }) == "nothing was thrown");
}

TEST_CASE("leaves") {
  CHECK(thrown([] { zeros({2}, {.dtype = int64}).requires_grad_(); }).find("int64") != std::string::npos);
  Tensor x = leaf(2);
  CHECK(x.is_leaf());
  Tensor y = x * 2.0;
  CHECK(!y.is_leaf());
  CHECK(thrown([&] { y.requires_grad_(false); }).find("result of mul") != std::string::npos);
  CHECK(thrown([&] { x.set_grad(zeros({3}, {.dtype = float64})); }) ==
        "set_grad: the gradient has shape (3), the tensor ()");
  x.requires_grad_(false);
  CHECK(!x.requires_grad());
  CHECK(!x.grad().defined());
  CHECK(!y.detach().requires_grad());
  // float64 to float32 and back is on the tape; an int64 is a number without a slope.
  const Tensor z = leaf(2);
  CHECK(grad((z.to(float32) * 3.0F).to(float64), z).item() == 3);
  CHECK(!z.to(int64).requires_grad());
}
