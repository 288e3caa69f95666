#include "gradus/nn/per_sample.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

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
#include "thrown.hpp"

using namespace gradus;
using autograd::BatchLoss;
using autograd::PerSampleMethod;
using autograd::PerSampleOptions;

namespace {

Tensor numbers(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return randn(shape, {.dtype = float64, .generator = &generator});
}

Tensor labels(const Shape& shape, Index classes, Index step = 1) {
  Tensor result = zeros(shape, {.dtype = int64});
  for (Index i = 0; i < result.numel(); ++i) result.data<std::int64_t>()[i] = i * step % classes;
  return result;
}

BatchLoss cross_entropy(nn::Reduction reduction) {
  return [reduction](const Tensor& output, const Tensor& target) {
    return nn::cross_entropy(output, target, {.reduction = reduction});
  };
}

BatchLoss mse(nn::Reduction reduction) {
  return [reduction](const Tensor& output, const Tensor& target) {
    return nn::mse_loss(output, target, {.reduction = reduction});
  };
}

double furthest(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (Index i = 0; i < a.numel(); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    REQUIRE(std::isfinite(x));
    worst = std::max(worst, std::abs(x - y) / std::max(1.0, std::abs(y)));
  }
  return worst;
}

// Random numbers for the parameters: scales of 1 and shifts of 0 would hide mistakes.
template <class M>
void scatter(M& model) {
  model.to(float64);
  std::uint64_t seed = 100;
  const NoGrad no_grad;
  for (auto& [name, p] : model.named_parameters()) p.copy_(numbers(p.shape(), ++seed) * 0.4);
}

// Formulas, ghost norms and clipping against one backward pass for each sample, for the mean and for the sum.
void check_against_loop(nn::Module& model, BatchLoss (*loss)(nn::Reduction), const Tensor& x, const Tensor& y) {
  for (const nn::Reduction reduction : {nn::Reduction::mean, nn::Reduction::sum}) {
    const BatchLoss l = loss(reduction);
    const PerSampleOptions formulas{.reduction = reduction},
        loop{.reduction = reduction, .method = PerSampleMethod::loop};
    const NamedTensors expected = autograd::per_sample_gradients(model, l, x, y, loop);
    const NamedTensors found = autograd::per_sample_gradients(model, l, x, y, formulas);
    REQUIRE(found.size() == expected.size());
    std::vector<double> squares(std::size_t(x.shape()[0]));
    for (std::size_t p = 0; p < found.size(); ++p) {
      CAPTURE(found[p].first);
      CHECK(found[p].first == expected[p].first);
      CHECK(furthest(found[p].second, expected[p].second) < 1e-10);
      const Tensor& g = expected[p].second;
      const Index size = g.numel() / g.shape()[0];
      for (Index i = 0; i < g.numel(); ++i) squares[std::size_t(i / size)] += g.data<double>()[i] * g.data<double>()[i];
    }
    const Tensor norms = autograd::per_sample_squared_norms(model, l, x, y, formulas);
    for (std::size_t i = 0; i < squares.size(); ++i) {
      CHECK(squares[i] > 0);
      CHECK(norms.data<double>()[i] == doctest::Approx(squares[i]).epsilon(1e-10));
    }
    // A threshold in the middle: some are clipped, others not.
    std::vector<double> sorted = squares;
    std::sort(sorted.begin(), sorted.end());
    const double threshold = std::sqrt(sorted[sorted.size() / 2] * 0.9 + sorted[0] * 0.1);
    const auto clipped = autograd::clipped_gradients(model, l, x, y, threshold, formulas);
    const auto slowly = autograd::clipped_gradients(model, l, x, y, threshold, loop);
    CHECK(furthest(clipped.norms, slowly.norms) < 1e-10);
    for (std::size_t p = 0; p < found.size(); ++p) {
      const Tensor& g = expected[p].second;
      Tensor total = zeros(clipped.gradients[p].second.shape(), {.dtype = float64});
      for (std::size_t i = 0; i < squares.size(); ++i)
        total.add_(g[Index(i)].reshape(total.shape()), std::min(1.0, threshold / std::sqrt(squares[i])));
      CHECK(furthest(clipped.gradients[p].second, total) < 1e-10);
      CHECK(furthest(slowly.gradients[p].second, total) < 1e-10);
    }
  }
}

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

  nn::Sequential prelu{nn::Linear{3, 2}, nn::PReLU{}};
  scatter(prelu);
  CHECK(message(prelu).find(
            "per_sample_squared_norms: the parameter 1.weight (shape (1)) is used by reshape, outside of the layers") ==
        0);
  CHECK(message(prelu, {.method = PerSampleMethod::loop}) == "nothing was thrown");

  nn::MultiheadAttention attention(4, 2);
  scatter(attention);
  const Tensor sequence = numbers({2, 3, 4}, 3);
  CHECK(thrown([&] {
          (void)autograd::per_sample_gradients(attention, loss, sequence, sequence);
        }).find("per_sample_gradients: the parameter in_proj_weight (shape (12, 4)) is used by ") == 0);
  CHECK(autograd::per_sample_gradients(attention, loss, sequence, sequence, {.method = PerSampleMethod::loop})[0]
            .second.shape() == Shape{2, 12, 4});

  struct Tied : nn::Module {
    nn::LayerNorm norm{3};
    nn::Linear out{3, 2};
    Tensor forward(const Tensor& v) override { return out(norm(v) * norm.weight); }
    void visit(nn::Visitor& v) override {
      v("norm", norm);
      v("out", out);
    }
  };
  Tied tied;
  scatter(tied);
  CHECK(message(tied).find("per_sample_squared_norms: the parameter norm.weight (shape (3)) is used by ") == 0);

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
