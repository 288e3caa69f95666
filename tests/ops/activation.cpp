#include "gradus/ops/activation.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "gradus/activations/registry.hpp"
#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/gradcheck.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/core/allocator.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

bool same(const Tensor& a, const Tensor& b) { return allclose(a, b, {.rtol = 0, .atol = 0, .equal_nan = true}); }

// Every registered activation, some with other parameters.
std::vector<activations::Function> all() {
  std::vector<activations::Function> result;
  for (const std::string& name : activations::names()) result.push_back(activations::activation(name));
  for (const char* name : {"elu(0.5)", "elu(2)", "celu(0.3)", "leaky_relu(0.2)", "softplus(2, 10)", "softshrink(1)"})
    result.push_back(activations::activation(name));
  return result;
}

// Points on both sides, at least 0.01 away from every kink.
Tensor smooth_points(const activations::Function& f) {
  std::vector<double> points;
  for (double x = -6.037; x < 6; x += 0.211) {
    bool near = false;
    for (const double kink : f.traits().kinks) near = near || std::abs(x - kink) < 0.01;
    if (!near) points.push_back(x);
  }
  return from_vector(points).requires_grad_();
}

struct OnlyFirst {
  template <class V>
  V f(const V& x) const {
    return x / (V(1) + abs(x));
  }
  template <class V>
  V df(const V& x) const {
    const V d = V(1) + abs(x);
    return V(1) / (d * d);
  }
};
struct OnlyValue {
  template <class V>
  V f(const V& x) const {
    return x * x;
  }
};
struct Swish {
  double beta = 1;
  template <class V>
  V s(const V& x) const {
    return V(1) / (V(1) + exp(-V(beta) * x));
  }
  template <class V>
  V f(const V& x) const {
    return x * s(x);
  }
  template <class V>
  V df(const V& x) const {
    return s(x) * (V(1) + V(beta) * x * (V(1) - s(x)));
  }
  template <class V>
  V d2f(const V& x) const {
    const V b = V(beta);
    return b * s(x) * (V(1) - s(x)) * (V(2) + b * x * (V(1) - V(2) * s(x)));
  }
};

}  // namespace

TEST_CASE("three derivatives of every activation, through the tape") {
  for (const activations::Function& f : all()) {
    CAPTURE(f.name());
    const Tensor x = smooth_points(f);
    REQUIRE(x.numel() > 40);
    const auto value = [&](const std::vector<Tensor>& in) { return activate(f, in[0]); };
    const auto slope = [&](const std::vector<Tensor>& in) {
      return grad(activate(f, in[0]).sum(), in[0], {.create_graph = true});
    };
    const auto curvature = [&](const std::vector<Tensor>& in) {
      return grad(slope(in).sum(), in[0], {.create_graph = true});
    };
    for (const GradcheckResult& result : {gradcheck(value, {x}), gradgradcheck(value, {x}), gradcheck(slope, {x}),
                                          gradgradcheck(slope, {x}), gradcheck(curvature, {x})})
      CHECK_MESSAGE(result.ok, result.message);
    // The tape's derivatives are the formulas', to the bit.
    const Tensor d1 = slope({x}), d2 = curvature({x}), d3 = grad(d2.sum(), x);
    for (Index i = 0; i < x.numel(); ++i) {
      const double at = x.data<double>()[i];
      CHECK(d1.data<double>()[i] == f(1, at));
      CHECK(d2.data<double>()[i] == f(2, at));
      CHECK(d3.data<double>()[i] == f(3, at));
    }
  }
}

TEST_CASE("the fused and the recorded backward pass give the same bits, on one thread and on two") {
  const int threads = num_threads();
  for (const DType dtype : {float32, float64})
    for (const activations::Function& f : all()) {
      CAPTURE(f.name());
      Generator generator(2);
      const Tensor x = (3.0 * randn({30011}, {.dtype = dtype, .generator = &generator})).detach().requires_grad_();
      const Tensor g = randn({30011}, {.dtype = dtype, .generator = &generator});
      std::vector<Tensor> results;
      for (const int n : {1, 2}) {
        set_num_threads(n);
        const Tensor y = activate(f, x);
        const Tensor fused = grad(y, x, {.grad_output = g, .retain_graph = true});
        const Tensor recorded = grad(y, x, {.grad_output = g, .create_graph = true});
        const Tensor second = grad(recorded, x, {.grad_output = g});
        CHECK(same(fused, recorded.detach()));
        for (const Tensor& result : {y.detach(), fused, second}) results.push_back(result);
      }
      set_num_threads(threads);
      for (std::size_t i = 0; i < 3; ++i) CHECK(same(results[i], results[i + 3]));
    }
}

TEST_CASE("gradients of derivatives with factors: in one pass, and recorded, and added to what others have sent") {
  const int threads = num_threads();
  for (const activations::Function& f : all()) {
    CAPTURE(f.name());
    const Tensor x = smooth_points(f);
    Generator generator(3);
    const TensorOptions options{.dtype = float64, .requires_grad = true, .generator = &generator};
    const Tensor a = randn(x.shape(), options), b = randn(x.shape(), options);
    // a b f'' + a f' + 2 f: every input has several uses.
    const auto value = [&](const std::vector<Tensor>& in) {
      const Tensor y = activate(f, in[0]);
      const Tensor slope = grad(y, in[0], {.grad_output = in[1], .create_graph = true});
      const Tensor curvature = grad(slope, in[0], {.grad_output = in[2], .create_graph = true});
      return curvature + slope + y + activate(f, in[0]);
    };
    const GradcheckResult result = gradcheck(value, {x, a, b});
    CHECK_MESSAGE(result.ok, result.message);
    const std::vector<Tensor> recorded = grad(value({x, a, b}).sum(), {x, a, b}, {.create_graph = true});
    std::vector<std::vector<Tensor>> fused;
    for (const int n : {1, 2}) {
      set_num_threads(n);
      fused.push_back(grad(value({x, a, b}).sum(), {x, a, b}));
    }
    set_num_threads(threads);
    for (std::size_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      CHECK(allclose(fused[0][i], recorded[i].detach(), {.rtol = 1e-12, .atol = 1e-14}));
      CHECK(same(fused[0][i], fused[1][i]));
    }
  }
}

TEST_CASE("the gradient of an activation is an operation with derivatives of its own") {
  const activations::Function f = activations::activation("tanh");
  Generator generator(4);
  const auto draw = [&](const Shape& shape) {
    return randn(shape, {.dtype = float64, .requires_grad = true, .generator = &generator});
  };
  const std::vector<Tensor> inputs{draw({3, 5}), draw({3, 5})};
  CHECK(same(activation_gradient(f, inputs[0], inputs[1]).detach(),
             grad(activate(f, inputs[0]), inputs[0], {.grad_output = inputs[1].detach()})));
  const auto value = [&](const std::vector<Tensor>& in) { return activation_gradient(f, in[0], in[1]); };
  for (const GradcheckResult& result : {gradcheck(value, inputs), gradgradcheck(value, inputs)})
    CHECK_MESSAGE(result.ok, result.message);
  CHECK(thrown([&] {
          (void)activation_gradient(f, inputs[0], zeros({5}, {.dtype = float64}));
        }).find("(3, 5) and the gradient (5)") != std::string::npos);
  CHECK(thrown([&] { (void)activation_gradient(f, inputs[0], zeros({3, 5})); }).find("float32") != std::string::npos);
}

TEST_CASE("what a recorded pass keeps of an activation goes with the tape") {
  const Tensor x = linspace(-3, 3, 20000, {.dtype = float64, .requires_grad = true});
  const std::size_t before = memory::stats().in_use;
  {
    const Tensor y = tanh(x), slope = grad(y.sum(), x, {.create_graph = true});
    const Tensor first = grad(slope.sum(), x, {.create_graph = true}), again = grad(slope.sum(), x);
    CHECK(same(first.detach(), again));
    CHECK(memory::stats().in_use > before);
  }
  CHECK(memory::stats().in_use == before);
}

TEST_CASE("gradients and second gradients are finite at extreme inputs") {
  for (const DType dtype : {float32, float64})
    for (const activations::Function& f : all()) {
      CAPTURE(f.name());
      const Tensor x =
          tensor({0.0, -0.0, 1e-8, -1e-8, 20, -20, 89, -89, 1e4, -1e4, 3e38, -3e38, inf, -inf}, {.dtype = dtype})
              .requires_grad_();
      const Tensor y = activate(f, x);
      const Tensor first = grad(y, x, {.grad_output = ones_like(x), .create_graph = true});
      const Tensor second = grad(first, x, {.grad_output = ones_like(x), .retain_graph = true});
      CHECK(y.slice(0, 0, 12).to(float64).abs().max().item() < inf);
      CHECK(isfinite(first).min().item() == 1);
      CHECK(isfinite(second).min().item() == 1);
      CHECK(first.abs().max().item() < 3.6);
      const Tensor fused = grad(activate(f, x), x, {.grad_output = ones_like(x)});
      CHECK(same(first.detach(), fused));
      // A mean over samples of which one is far out has a finite gradient, as has its penalty.
      const Tensor penalty = grad(first.square().sum(), x, {.allow_unused = true});
      CHECK(isfinite(penalty).min().item() == 1);
    }
}

TEST_CASE("NaN stays, and shapes do") {
  for (const activations::Function& f : all()) {
    CAPTURE(f.name());
    CHECK(std::isnan(activate(f, full({1}, std::nan(""))).item()));
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{3, 0, 2}, Shape{1}, Shape{7, 1, 13}}) {
      const Tensor x = full(shape, 0.3, {.requires_grad = true});
      const Tensor y = activate(f, x);
      CHECK(y.shape() == shape);
      CHECK(grad(y.sum(), x).shape() == shape);
    }
  }
  CHECK(thrown([] { (void)gelu(full({2}, 1, {.dtype = int64})); }).find("gelu") != std::string::npos);
  CHECK(thrown([] { (void)relu(Tensor{}); }).find("undefined") != std::string::npos);
}

TEST_CASE("the functions by name are the activations of that name") {
  const Tensor x = linspace(-5, 25, 301, {.dtype = float64});
  const auto is = [&](const Tensor& y, const char* name) {
    CAPTURE(std::string(name));
    CHECK(same(y, activate(activations::activation(name), x)));
  };
  is(relu(x), "relu"), is(leaky_relu(x), "leaky_relu"), is(leaky_relu(x, 0.3), "leaky_relu(0.3)");
  is(elu(x), "elu"), is(elu(x, 0.5), "elu(0.5)"), is(celu(x), "celu"), is(celu(x, 2), "celu(2)"), is(selu(x), "selu");
  is(gelu(x), "gelu"), is(gelu_tanh(x), "gelu_tanh"), is(silu(x), "silu"), is(mish(x), "mish");
  is(softplus(x), "softplus"), is(softplus(x, 2, 10), "softplus(2, 10)"), is(softsign(x), "softsign");
  is(tanh(x), "tanh"), is(sigmoid(x), "sigmoid"), is(hard_swish(x), "hard_swish");
  is(softshrink(x), "softshrink"), is(softshrink(x, 1), "softshrink(1)");
}

TEST_CASE("a user's activation has the derivatives that it gives, and names the one that it does not") {
  const Tensor x = linspace(-4, 4, 101, {.dtype = float64, .requires_grad = true});
  CHECK(allclose(activate(Swish{}, x), silu(x), {.atol = 1e-14}));
  const auto swish = [](const std::vector<Tensor>& in) { return activate(Swish{1.7}, in[0]); };
  CHECK(gradcheck(swish, {x}).ok);
  CHECK(gradgradcheck(swish, {x}).ok);
  const auto says = [](const std::string& text, std::initializer_list<const char*> parts) {
    CAPTURE(text);
    for (const char* part : parts) CHECK(text.find(part) != std::string::npos);
  };
  const Tensor dy = grad(activate(OnlyFirst{}, x).sum(), x, {.create_graph = true});
  says(thrown([&] { (void)grad(dy.sum(), x); }), {"OnlyFirst", "second", "d2f"});
  const Tensor y = activate(OnlyValue{}, x);
  says(thrown([&] { (void)grad(y.sum(), x); }), {"OnlyValue", "first", "df"});
  Tensor third = activate(Swish{}, x);
  for (int order = 0; order < 2; ++order) third = grad(third.sum(), x, {.create_graph = true});
  says(thrown([&] { (void)grad(third.sum(), x); }), {"Swish", "third", "d3f"});
  Tensor fourth = gelu(x);
  for (int order = 0; order < 3; ++order) fourth = grad(fourth.sum(), x, {.create_graph = true});
  says(thrown([&] { (void)grad(fourth.sum(), x); }), {"GELU", "order 4"});
  // Without the tape nothing is missing.
  const NoGrad no_grad;
  CHECK_NOTHROW((void)activate(OnlyValue{}, x));
}

TEST_CASE("prelu: one slope, or one for each channel, both learned") {
  const auto check = [](const Shape& shape, Index slopes) {
    CAPTURE(slopes);
    Generator generator(4);
    const Tensor x = randn(shape, {.dtype = float64, .requires_grad = true, .generator = &generator});
    const Tensor slope = rand({slopes}, {.dtype = float64, .requires_grad = true, .generator = &generator});
    const auto f = [](const std::vector<Tensor>& in) { return prelu(in[0], in[1]); };
    const GradcheckResult first = gradcheck(f, {x, slope}), second = gradgradcheck(f, {x, slope});
    CHECK_MESSAGE(first.ok, first.message);
    CHECK_MESSAGE(second.ok, second.message);
    const Tensor y = prelu(x, slope);
    CHECK(y.shape() == shape);
    // Axis 1 is the channel; a vector's only axis.
    const Index inner = shape.size() > 2 ? shape.product(2, shape.size()) : 1;
    for (Index i = 0; i < x.numel(); ++i) {
      const double v = x.data<double>()[i], a = slope.data<double>()[slopes == 1 ? 0 : i / inner % slopes];
      CHECK(y.data<double>()[i] == (v > 0 ? v : a * v));
    }
  };
  check({5}, 1), check({5}, 5), check({}, 1), check({4, 3}, 3), check({4, 3}, 1), check({2, 3, 5}, 3),
      check({2, 3, 2, 2}, 3);

  // At 0 the derivative is the slope, as in PyTorch; far out nothing is poisoned.
  const Tensor x = tensor({0.0, -0.0, inf}).requires_grad_();
  const Tensor slope = tensor({0.25}).requires_grad_();
  const std::vector<Tensor> g = grad(prelu(x, slope).sum(), {x, slope});
  CHECK(g[0].data<float>()[0] == 0.25f);
  CHECK(g[0].data<float>()[1] == 0.25f);
  CHECK(g[0].data<float>()[2] == 1);
  CHECK(g[1].item() == 0);
  CHECK(std::isnan(prelu(full({1}, std::nan("")), slope).item()));
  const std::string text = thrown([] { (void)prelu(zeros({2, 3}), zeros({4})); });
  CHECK(text.find("prelu") != std::string::npos);
  CHECK(text.find("(2, 3)") != std::string::npos);
  CHECK(text.find("4 slopes") != std::string::npos);
}
