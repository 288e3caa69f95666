// The programs of docs/engine.md, compiled and checked.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <iostream>
#include <sstream>

#include "gradus/gradus.hpp"

using namespace gradus;

struct Softsign {
  template <class V> V f(const V& x) const { return x / (V(1) + abs(x)); }
  template <class V> V df(const V& x) const {
    const V d = V(1) + abs(x);
    return V(1) / (d * d);
  }
};

TEST_CASE("the first example of the engine's page") {
  Tensor x = randn({3}, {.requires_grad = true});   // a leaf: its node has no rule, and collects the gradient
  Tensor w = randn({3}, {.requires_grad = true});
  Tensor y = (x * w).sum();                         // two operations, two nodes
  y.backward();
  CHECK(allclose(x.grad(), w.detach()));
  CHECK(autograd::tape_size(y) == 4);
}

TEST_CASE("the tape is shown") {
  Tensor x = randn({3}, {.requires_grad = true});
  Tensor y = (x * x).sum();
  std::ostringstream out;
  std::streambuf* before = std::cout.rdbuf(out.rdbuf());
  std::cout << autograd::tape_table(y);             // number, operation, shape, inputs, bytes held
  std::cout << autograd::tape_graphviz(y);          // the same for `dot -Tsvg`
  std::cout.rdbuf(before);
  CHECK(out.str().find("mul") != std::string::npos);
  CHECK(out.str().find("digraph") != std::string::npos);
}

TEST_CASE("paths add up") {
  Tensor a = full({}, 3.0, {.requires_grad = true});
  Tensor b = a + a;
  Tensor c = b + b;    // recursion would pass through b twice, each time with half of its gradient
  c.backward();
  CHECK(a.grad().item() == 4.0);
}

TEST_CASE("derivatives of derivatives") {
  Tensor x = linspace(-2, 2, 9, {.dtype = float64, .requires_grad = true});
  Tensor dy = grad(gelu(x).sum(), x, {.create_graph = true});
  Tensor d2y = grad(dy.sum(), x);                              // phi(x) (2 - x^2)
  const Tensor v = x.detach(), phi = exp(-0.5 * v * v) / std::sqrt(2 * M_PI);
  CHECK(allclose(d2y, phi * (2.0 - v * v), {.atol = 1e-12}));
}

TEST_CASE("an activation of one's own") {
  nn::Sequential net{nn::Linear{2, 32}, nn::Activation{Softsign{}}, nn::Linear{32, 2}};
  nn::register_activation("my_softsign", Softsign{});     // now every model takes it by name
  CHECK(net(randn({5, 2})).shape() == Shape{5, 2});
  const Tensor z = randn({7});
  CHECK(allclose(nn::activation("my_softsign")(z), softsign(z)));
}
