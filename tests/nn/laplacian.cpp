#include "gradus/nn/laplacian.hpp"

#include <cmath>
#include <limits>

#include "gradus/autograd/observer.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/sequential.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

using autograd::Laplacian;
using autograd::UnaryFunction;

// The same by grad of grad, one output and one coordinate after the other.
Laplacian by_grad_of_grad(const UnaryFunction& f, const Tensor& points) {
  Tensor x = points;
  if (!x.requires_grad()) x = points.detach().requires_grad_();
  const GradOptions recorded{.create_graph = true, .allow_unused = true};
  const Tensor value = f(x);
  std::vector<Tensor> gradients, laplacians;
  for (Index k = 0; k < value.size(1); ++k) {
    const Tensor slopes = grad(value.slice(1, k, k + 1).sum(), x, recorded);
    gradients.push_back(slopes.t());
    Tensor total = zeros({x.size(0)}, {.dtype = x.dtype()});
    for (Index i = 0; i < x.size(1); ++i) {
      const Tensor slope = slopes.slice(1, i, i + 1).sum();
      if (slope.requires_grad()) total = total + grad(slope, x, recorded).slice(1, i, i + 1).reshape({x.size(0)});
    }
    laplacians.push_back(total);
  }
  return {value, stack(gradients, 2), stack(laplacians, 1)};
}

void check_equal(const Laplacian& a, const Laplacian& b, double tolerance = 1e-12) {
  CHECK(largest_difference(a.value, b.value) <= tolerance);
  CHECK(largest_difference(a.gradient, b.gradient) <= tolerance);
  CHECK(largest_difference(a.laplacian, b.laplacian) <= tolerance);
}

nn::Sequential network(Index in, Index out, const char* activation = "tanh") {
  manual_seed(3);
  nn::Sequential net{nn::Linear{in, 7}, nn::activation(activation), nn::Linear{7, 5}, nn::activation(activation),
                     nn::Linear{5, out}};
  net.to(float64);
  return net;
}

UnaryFunction function_of(nn::Sequential& net) {
  return [&](const Tensor& x) { return net(x); };
}

Tensor all_of(const Laplacian& l) { return cat({l.value.flatten(), l.gradient.flatten(), l.laplacian.flatten()}); }

}  // namespace

TEST_CASE("Laplacian: forward is grad of grad") {
  for (const char* activation : {"tanh", "gelu", "silu", "softplus", "relu", "elu(0.5)"})
    for (const Index coordinates : {1, 2, 3})
      for (const Index outputs : {1, 3}) {
        CAPTURE(activation);
        CAPTURE(coordinates);
        CAPTURE(outputs);
        nn::Sequential net = network(coordinates, outputs, activation);
        const Tensor x = normal_numbers({11, coordinates}, 1);
        const Laplacian made = autograd::laplacian(function_of(net), x);
        REQUIRE(made.gradient.shape() == Shape{coordinates, 11, outputs});
        check_equal(made, by_grad_of_grad(function_of(net), x));
      }
  nn::Sequential net = network(2, 1);
  CHECK(autograd::laplacian(function_of(net), normal_numbers({0, 2})).laplacian.shape() == Shape{0, 1});
  const Tensor one = normal_numbers({1, 2});
  check_equal(autograd::laplacian(function_of(net), one), by_grad_of_grad(function_of(net), one));
  net.to(float32);
  const Tensor x = normal_numbers({300, 2}, 1, float32);
  check_equal(autograd::laplacian(function_of(net), x), by_grad_of_grad(function_of(net), x), 1e-5);
}

TEST_CASE("Laplacian: closed forms, and what a function may do") {
  const Tensor x = normal_numbers({9, 3}, 1), c = tensor({{1.0, 2.0, 3.0}}).to(float64);
  // sum of c_i x_i^2, and (c x)^2
  const Laplacian squares = autograd::laplacian([&](const Tensor& p) { return nn::functional::linear(p * p, c); }, x);
  CHECK(largest_difference(squares.laplacian, full({9, 1}, 12.0, {.dtype = float64})) < 1e-13);
  CHECK(largest_difference(squares.gradient[1], 4.0 * x.slice(1, 1, 2)) < 1e-13);
  const Laplacian form = autograd::laplacian(
      [&](const Tensor& p) {
        const Tensor v = nn::functional::linear(p, c);
        return v * v;
      },
      x);
  CHECK(largest_difference(form.laplacian, full({9, 1}, 28.0, {.dtype = float64})) < 1e-12);
  // The points themselves
  CHECK(largest_difference(autograd::laplacian([](const Tensor& p) { return p; }, x).laplacian, zeros_like(x)) == 0);

  nn::Sequential net = network(3, 3);
  const Tensor scale = tensor({2.0, -1.0, 0.5}).to(float64), each = normal_numbers({9, 1}, 5);
  const std::vector<UnaryFunction> functions{
      [&](const Tensor& p) { return net(p) + p; },
      [&](const Tensor& p) { return p - net(p) * p; },
      [&](const Tensor& p) { return (1.0 - net(p)) * scale; },
      [&](const Tensor& p) { return each * -net(p) - scale; },
      [&](const Tensor& p) { return scale - net(p + 2.0); },
      [&](const Tensor& p) {
        return each + tanh(net(p)).reshape({9, 3, 1}).reshape({9, 3});
      },
      [&](const Tensor& p) { return net(net(p)); },
      [&](const Tensor& p) { return net(p) * p.detach(); },
  };
  for (std::size_t i = 0; i < functions.size(); ++i) {
    CAPTURE(i);
    check_equal(autograd::laplacian(functions[i], x), by_grad_of_grad(functions[i], x), 1e-11);
  }
}

TEST_CASE("Laplacian: its derivatives by weights and points") {
  nn::Sequential net = network(2, 2);
  std::vector<Tensor> in{leaf({6, 2}, 1)};
  for (const Tensor& parameter : net.parameters()) in.push_back(parameter);
  const auto made = [&](const std::vector<Tensor>&) { return all_of(autograd::laplacian(function_of(net), in[0])); };
  const auto wanted = [&](const std::vector<Tensor>&) { return all_of(by_grad_of_grad(function_of(net), in[0])); };
  const GradcheckResult result = gradcheck(made, in);
  CHECK_MESSAGE(result.ok, result.message);
  const std::vector<Tensor> fused = gradients_of(made, in, false), recorded = gradients_of(made, in, true),
                            twice = gradients_of(wanted, in, false);
  for (std::size_t i = 0; i < in.size(); ++i) {
    CAPTURE(i);
    CHECK(largest_difference(fused[i], recorded[i]) < 1e-12);
    CHECK(largest_difference(fused[i], twice[i]) < 1e-11);
  }
  // Second derivatives by what comes after the last activation; before it they take a fourth derivative.
  const GradcheckResult second = gradgradcheck(made, {in[5], in[6]});
  CHECK_MESSAGE(second.ok, second.message);
  const Tensor loss = autograd::laplacian(function_of(net), in[0]).laplacian.square().sum();
  const Tensor slope = grad(loss, in[1], {.create_graph = true});
  check_error([&] { (void)grad(slope.sum(), in[1]); }, {"Tanh", "order 4"});
}

TEST_CASE("Laplacian: without the tape, on any number of threads, in training") {
  nn::Sequential net = network(2, 1);
  {
    const NoGrad off;
    CHECK_FALSE(autograd::laplacian(function_of(net), normal_numbers({4, 2})).laplacian.requires_grad());
  }
  check_threads(
      [&](const std::vector<Tensor>&) {
        return all_of(autograd::laplacian(function_of(net), normal_numbers({6001, 2})));
      },
      net.parameters());
  // Nothing is left to observe.
  CHECK(autograd::observers == nullptr);
}

TEST_CASE("Laplacian: says what it does not know") {
  nn::Sequential net = network(2, 1);
  const Tensor x = normal_numbers({5, 2});
  const auto check = [&](const UnaryFunction& f, const std::vector<std::string>& parts, const Tensor& points) {
    check_error([&] { (void)autograd::laplacian(f, points); }, parts);
    CHECK(autograd::observers == nullptr);
  };
  check({}, {"laplacian", "empty"}, x);
  check(function_of(net), {"laplacian", "(2)", "(N, coordinates)"}, normal_numbers({2}));
  check(function_of(net), {"laplacian", "int64"}, tensor({{1, 2}}).to(int64));
  check([](const Tensor& p) { return exp(p); }, {"through exp", "(5, 2)", "grad of grad"}, x);
  check([&](const Tensor& p) { return net(p) * 2.0; }, {"through mul", "products with tensors"}, x);
  check([&](const Tensor& p) { return net(p.slice(1, 0, 2)); }, {"through slice"}, x);
  check([&](const Tensor& p) { return net(p).sum(); }, {"shape ()", "axis 0"}, x);
  check([&](const Tensor& p) { return net(p).reshape({1, 5}); }, {"shape (1, 5)", "axis 0"}, x);
  check([&](const Tensor& p) { return nn::functional::linear(x, p); }, {"through linear"}, x);
  check([&](const Tensor& p) { return net(p) + p; }, {"through add"}, x);
  check([&](const Tensor& p) { return ones_like(p); }, {"does not come from x"}, x);
  check([](const Tensor&) { return Tensor{}; }, {"an undefined tensor"}, x);
  check(
      [&](const Tensor& p) {
        const NoGrad off;
        Tensor u = net(p);
        return u.mul_(3);
      },
      {"result of linear in place"}, x);
  nn::BatchNorm1d norm{2};
  norm.to(float64);
  check([&](const Tensor& p) { return norm(p); }, {"through batch_norm"}, x);
  check(
      [&](const Tensor& p) {
        Tensor q = p.detach().requires_grad_();
        return net(p) + grad(net(q).sum(), q).slice(1, 0, 1);
      },
      {"backward pass", "grad of grad"}, x);
}
