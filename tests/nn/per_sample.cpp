#include "gradus/nn/per_sample.hpp"

#include <doctest/doctest.h>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/observer.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/attention.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/embedding.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/group_norm.hpp"
#include "gradus/nn/layer_norm.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/rms_norm.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "per_sample_support.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace per_sample_tests;

namespace {

// Tokens (N, T) to logits (N, 3), by way of all layers for sequences. The width decides which of the ghost norm's two
// ways is taken.
struct Sequence : nn::Module {
  nn::Embedding tokens;
  nn::LayerNorm norm;
  nn::RMSNorm rms;
  nn::Linear hidden, out;
  explicit Sequence(Index width)
      : tokens(7, width, {.padding_idx = 2}),
        norm(width),
        rms(width),
        hidden(width, width + 1),
        out(width + 1, 3, {.bias = false}) {}
  Tensor forward(const Tensor& x) override {
    Tensor h = norm(tokens(x));
    return out(tanh(hidden(rms(h))).mean({.axes = {1}}));
  }
  void visit(nn::Visitor& v) override {
    v("tokens", tokens);
    v("norm", norm);
    v("rms", rms);
    v("hidden", hidden);
    v("out", out);
  }
};

// Images to logits. `first` takes the Gram matrix of its places when the image is small, and materialises when it is
// large.
struct Images : nn::Module {
  nn::Conv2d first{4, 6, {3, 2}, {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2}};
  nn::GroupNorm norm{3, 6};
  nn::Conv2d second{6, 5, 1, {.bias = false}};
  nn::LayerNorm plane;
  nn::Linear out{5, 3};
  explicit Images(const Shape& last) : plane(last) {}
  Tensor forward(const Tensor& x) override {
    return out(tanh(plane(second(tanh(norm(first(x)))))).mean({.axes = {2, 3}}));
  }
  void visit(nn::Visitor& v) override {
    v("first", first);
    v("norm", norm);
    v("second", second);
    v("plane", plane);
    v("out", out);
  }
};

}  // namespace

TEST_CASE("per-sample gradients of a perceptron are those of the loop") {
  nn::Sequential net{nn::Linear{5, 7}, nn::GELU{}, nn::Linear{7, 3}};
  scatter(net);
  check_against_loop(net, cross_entropy, numbers({6, 5}, 1), labels({6}, 3));
  check_against_loop(net, cross_entropy, numbers({1, 5}, 2), labels({1}, 3));
  // Outputs with places of their own: mean and sum over all elements
  check_against_loop(net, mse, numbers({4, 2, 5}, 3), numbers({4, 2, 3}, 4));
}

TEST_CASE("per-sample gradients of sequences: embedding, norms, linear layers") {
  for (const Index width : {2, 8}) {
    Sequence net(width);
    scatter(net);
    check_against_loop(net, cross_entropy, labels({5, 4}, 7, 3), labels({5}, 3));
  }
}

TEST_CASE("per-sample gradients of images: convolutions with all options, group norm, layer norm") {
  for (const Index size : {3, 7}) {
    const Index height = (size + 2 - 3) / 2 + 1, width = size + 4 - 2;
    Images net({5, height, width});
    scatter(net);
    check_against_loop(net, cross_entropy, numbers({4, 4, size, size}, 5), labels({4}, 3));
  }
}

TEST_CASE("a layer that is called twice, and weights that are tied, add up") {
  struct Shared : nn::Module {
    nn::Linear inner{4, 4}, twin{4, 4, {.bias = false}}, out{4, 2};
    Tensor forward(const Tensor& x) override { return out(tanh(twin(tanh(inner(tanh(inner(x))))))); }
    void visit(nn::Visitor& v) override {
      v("inner", inner);
      v("twin", twin);
      v("out", out);
    }
  };
  Shared net;
  scatter(net);
  net.twin.weight = net.inner.weight;
  check_against_loop(net, mse, numbers({5, 4}, 6), numbers({5, 2}, 7));
}

TEST_CASE("frozen and unused parameters") {
  struct Partly : nn::Module {
    nn::Linear first{3, 4}, second{4, 2}, unused{2, 2};
    nn::LayerNorm norm{4};
    Tensor forward(const Tensor& x) override { return second(norm(first(x))); }
    void visit(nn::Visitor& v) override {
      v("first", first);
      v("second", second);
      v("norm", norm);
      v("unused", unused);
    }
  };
  Partly net;
  scatter(net);
  net.first.weight.requires_grad_(false);
  net.norm.weight.requires_grad_(false);
  check_against_loop(net, mse, numbers({3, 3}, 8), numbers({3, 2}, 9));
  const NamedTensors found =
      autograd::per_sample_gradients(net, mse(nn::Reduction::mean), numbers({3, 3}, 8), numbers({3, 2}, 9));
  CHECK(found.size() == 6);
  CHECK(found[0].first == "first.bias");
}

TEST_CASE("no samples, and a threshold that nothing reaches") {
  nn::Linear net(3, 2);
  scatter(net);
  const Tensor x = numbers({0, 3}, 1), y = numbers({0, 2}, 1);
  CHECK(autograd::per_sample_gradients(net, mse(nn::Reduction::mean), x, y)[0].second.shape() == Shape{0, 2, 3});
  CHECK(autograd::per_sample_squared_norms(net, mse(nn::Reduction::mean), x, y).shape() == Shape{0});
  CHECK(sum(abs(autograd::clipped_gradients(net, mse(nn::Reduction::mean), x, y, 1).gradients[0].second)).item() == 0);
  const Tensor a = numbers({4, 3}, 2), b = numbers({4, 2}, 3);
  const auto whole = autograd::clipped_gradients(net, mse(nn::Reduction::mean), a, b, 1e6);
  const Tensor plain = grad(nn::mse_loss(net(a), b), net.weight) * 4.0;
  CHECK(furthest(whole.gradients[0].second, plain) < 1e-12);
}

TEST_CASE("float32 goes the same ways") {
  nn::Sequential net{nn::Linear{5, 7}, nn::GELU{}, nn::Linear{7, 3}};
  const Tensor x = numbers({6, 5}, 1).to(float32), y = labels({6}, 3);
  const BatchLoss loss = cross_entropy(nn::Reduction::mean);
  const auto fast = autograd::clipped_gradients(net, loss, x, y, 0.5);
  const auto slow = autograd::clipped_gradients(net, loss, x, y, 0.5, {.method = PerSampleMethod::loop});
  for (std::size_t p = 0; p < fast.gradients.size(); ++p)
    CHECK(allclose(fast.gradients[p].second, slow.gradients[p].second, {.rtol = 1e-4, .atol = 1e-6}));
}

TEST_CASE("batch normalisation is refused by name, and so are parameters used in unknown ways") {
  const BatchLoss loss = mse(nn::Reduction::mean);
  const Tensor x = numbers({4, 3}, 1), y = numbers({4, 2}, 2);
  const auto message = [&](nn::Module& net, const PerSampleOptions& options = {}) {
    return thrown([&] { (void)autograd::per_sample_squared_norms(net, loss, x, y, options); });
  };
  nn::Sequential normed{nn::Linear{3, 2}, nn::BatchNorm1d{2}};
  scatter(normed);
  for (const PerSampleMethod method : {PerSampleMethod::formulas, PerSampleMethod::loop})
    CHECK(message(normed, {.method = method}) ==
          "per_sample_squared_norms: the model has a BatchNorm1d at 1, which mixes the samples; a sample has no "
          "gradient of its own "
          "there. GroupNorm is the usual replacement");

  struct Multiplied : nn::Module {
    nn::Linear out{3, 2};
    Tensor forward(const Tensor& v) override { return matmul(v, out.weight, {.transpose_b = true}) + out.bias; }
    void visit(nn::Visitor& v) override { v("out", out); }
  };
  Multiplied multiplied;
  scatter(multiplied);
  CHECK(message(multiplied) ==
        "per_sample_squared_norms: the parameter out.weight (shape (2, 3)) is used by matmul, outside of the layers "
        "that formulas are known for; pass {.method = PerSampleMethod::loop}");
  CHECK(message(multiplied, {.method = PerSampleMethod::loop}) == "nothing was thrown");

  struct Functional : nn::Module {
    nn::Linear out{3, 2};
    Tensor forward(const Tensor& v) override { return nn::functional::batch_norm(out(v), {}, {}, {}, {}, true); }
    void visit(nn::Visitor& v) override { v("out", out); }
  };
  Functional functional;
  scatter(functional);
  CHECK(message(functional).find("per_sample_squared_norms: the model uses batch_norm, which mixes the samples") == 0);

  struct Flattened : nn::Module {
    nn::Linear inner{1, 1}, out{3, 2};
    Tensor forward(const Tensor& v) override { return out(inner(v.reshape({12, 1})).reshape({4, 3})); }
    void visit(nn::Visitor& v) override {
      v("inner", inner);
      v("out", out);
    }
  };
  Flattened flattened;
  scatter(flattened);
  CHECK(message(flattened) ==
        "per_sample_squared_norms: the layer with the parameter inner.weight (shape (1, 1)) sees a tensor of shape "
        "(12, 1); axis 0 "
        "must count the 4 samples");
}

TEST_CASE("misuse of per-sample gradients is answered") {
  nn::Linear net(3, 2);
  scatter(net);
  const BatchLoss loss = mse(nn::Reduction::mean);
  const Tensor x = numbers({4, 3}, 1), y = numbers({4, 2}, 2);
  using autograd::clipped_gradients;
  using autograd::per_sample_gradients;
  CHECK(thrown([&] { (void)per_sample_gradients(net, {}, x, y); }) == "per_sample_gradients: the loss is empty");
  CHECK(
      thrown([&] {
        (void)per_sample_gradients(net, loss, x, numbers({3, 2}, 1));
      }) ==
      "per_sample_gradients: the input has shape (4, 3) and the target (3, 2); axis 0 of both must count the samples");
  CHECK(thrown([&] { (void)per_sample_gradients(net, loss, x, y, {.reduction = nn::Reduction::none}); }) ==
        "per_sample_gradients: the reduction must be mean or sum, what the loss does with the samples");
  CHECK(thrown([&] { (void)per_sample_gradients(net, mse(nn::Reduction::none), x, y); }) ==
        "per_sample_gradients: the loss must be a scalar, got shape (4, 2)");
  const BatchLoss decayed = [&](const Tensor& o, const Tensor& t) {
    return nn::mse_loss(o, t) + sum(net.weight * net.weight);
  };
  CHECK(thrown([&] { (void)per_sample_gradients(net, decayed, x, y); }) ==
        "per_sample_gradients: the loss uses the parameter weight; only the model may");
  CHECK(thrown([&] { (void)clipped_gradients(net, loss, x, y, 0); }) ==
        "clipped_gradients: a max_norm of 0; it must be positive");
  CHECK(thrown([&] { (void)clipped_gradients(net, loss, x * 1e300, y, 1); }) ==
        "clipped_gradients: the gradient of sample 0 has the norm inf");
  net.requires_grad_(false);
  CHECK(thrown([&] { (void)per_sample_gradients(net, loss, x, y); }) ==
        "per_sample_gradients: the model's output depends on no parameter that requires a gradient");
  CHECK(autograd::observers == nullptr);
  CHECK(nn::detail::call_observer == nullptr);
}
