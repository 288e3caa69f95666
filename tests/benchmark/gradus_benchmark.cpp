// The workloads of docs/performance.md as a user of gradus would write them.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/autograd/backward.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/models/char_transformer.hpp"
#include "gradus/models/lenet.hpp"
#include "gradus/models/preact_resnet.hpp"
#include "gradus/nn.hpp"
#include "gradus/optim.hpp"
#include "gradus/tensor.hpp"
#include "harness.hpp"

using namespace gradus;
using benchmark::Benchmark;

namespace {

Tensor parameter(const Shape& shape) { return randn(shape).requires_grad_(); }

// y = relu(x w + b) on 8 numbers: what an operation costs when its numbers cost nothing.
void op_overhead(Benchmark& benchmark) {
  const Tensor x = parameter({8}), w = parameter({8}), b = parameter({8}), seed = ones({8});
  const auto step = benchmark.time([&] {
    for (const Tensor& t : {x, w, b}) t.zero_grad();
    const Tensor y = relu(x * w + b);
    y.backward(seed);
  });
  const auto recorded = benchmark.time([&] { const Tensor y = relu(x * w + b); });
  const NoGrad no_grad;
  const auto plain = benchmark.time([&] { const Tensor y = relu(x * w + b); });
  benchmark.note("ns_per_op", step.median_ms * 1e6 / 6);
  benchmark.note("fwd_recorded_ns_per_op", recorded.median_ms * 1e6 / 3);
  benchmark.note("fwd_nograd_ns_per_op", plain.median_ms * 1e6 / 3);
}

// What a product of (m, k) and (k, n) costs, in 1e9 operations.
double gflop_of_product(Index m, Index n, Index k) { return 2e-9 * double(m) * double(n) * double(k); }

// Operations of matrix products alone, by the textbook's count.
void note_gflops(Benchmark& benchmark, double gflop) {
  benchmark.note("gflops", gflop / benchmark.result().median_ms * 1e3);
}

// Bytes that must go from or to memory when nothing stays in the caches.
void note_bandwidth(Benchmark& benchmark, double bytes_per_element, Index elements) {
  benchmark.note("gbs", 1e-6 * bytes_per_element * double(elements) / benchmark.result().median_ms);
}

// What the machine gives: a product of square matrices, and a sum of two arrays that is written to a third.
void limits(Benchmark& benchmark) {
  const NoGrad no_grad;
  const Index side = 1024, n = 1 << 24;
  const Tensor a = randn({side, side}), b = randn({side, side});
  benchmark.time([&] { const Tensor c = matmul(a, b); });
  note_gflops(benchmark, gflop_of_product(side, side, side));
  const Tensor x = randn({n}), y = randn({n});
  const auto sum = benchmark.time([&] { const Tensor z = x + y; });
  benchmark.note("gbs", 12e-6 * double(n) / sum.median_ms);
}

// A training step: forward, loss, backward, update.
template <class Loss>
void train(Benchmark& benchmark, optim::Optimizer& optimizer, Loss&& loss) {
  benchmark.time([&] {
    optimizer.zero_grad();
    loss().backward();
    optimizer.step();
  });
}

template <class Optimizer>
void train_classifier(Benchmark& benchmark, nn::Module& net, Optimizer&& optimizer, const Shape& input, Index classes) {
  const Tensor x = randn(input), labels = randint(0, classes, {input[0]});
  train(benchmark, optimizer, [&] { return nn::cross_entropy(net(x), labels); });
}

// Forward, and backward but for the gradient of the input.
double gflop_of_mlp(Index batch, const std::vector<Index>& widths) {
  double gflop = 0;
  for (std::size_t i = 1; i < widths.size(); ++i)
    gflop += (i == 1 ? 2 : 3) * gflop_of_product(batch, widths[i - 1], widths[i]);
  return gflop;
}

void mlp_small(Benchmark& benchmark) {
  nn::Sequential net{nn::Linear{784, 128}, nn::ReLU{}, nn::Linear{128, 10}};
  train_classifier(benchmark, net, optim::Adam{net.parameters(), {.lr = 1e-3}}, {32, 784}, 10);
  note_gflops(benchmark, gflop_of_mlp(32, {784, 128, 10}));
}

void mlp_large(Benchmark& benchmark) {
  nn::Sequential net{nn::Linear{784, 1024}, nn::GELU{}, nn::Linear{1024, 1024}, nn::GELU{}, nn::Linear{1024, 10}};
  train_classifier(benchmark, net, optim::Adam{net.parameters(), {.lr = 1e-3}}, {256, 784}, 10);
  note_gflops(benchmark, gflop_of_mlp(256, {784, 1024, 1024, 10}));
}

// An activation by itself: memory is the limit, if the function is cheap enough.
template <class Layer>
void activation(Benchmark& benchmark, Layer f) {
  constexpr Index n = 4194304;
  const Tensor x = parameter({n}), g = randn({n});
  const auto both = benchmark.time([&] {
    x.zero_grad();
    f(x).backward(g);
  });
  x.zero_grad();
  const NoGrad no_grad;
  const auto forward = benchmark.time([&] { const Tensor y = f(x); });
  const Tensor out = empty({n});
  const auto in_place = benchmark.time([&] {
    parallel_for(n, 8192, [&](Index first, Index last) {
      f.function().evaluate(0, x.data<float>() + first, out.data<float>() + first, last - first);
    });
  });
  benchmark.note("fwd_ms", forward.median_ms);
  benchmark.note("fwdbwd_ms", both.median_ms);
  benchmark.note("fwd_out_ms", in_place.median_ms);
  benchmark.note("fwd_gbs", 8e-6 * double(n) / forward.median_ms);
  benchmark.note("fwdbwd_gbs", 20e-6 * double(n) / both.median_ms);
  benchmark.note("fwd_out_gbs", 8e-6 * double(n) / in_place.median_ms);
  note_bandwidth(benchmark, 20, n);
}

// A layer by itself: forward, and backward to its input and all its parameters.
void forward_and_backward(Benchmark& benchmark, nn::Module& layer, const Shape& shape) {
  const Tensor x = parameter(shape), g = randn(layer(x).shape());
  benchmark.time([&] {
    x.zero_grad();
    layer.zero_grad();
    layer(x).backward(g);
  });
}

void layernorm(Benchmark& benchmark) {
  nn::LayerNorm norm{1024};
  forward_and_backward(benchmark, norm, {4096, 1024});
  note_bandwidth(benchmark, 20, 4096 * 1024);
}

void batchnorm2d(Benchmark& benchmark) {
  nn::BatchNorm2d norm{64};
  forward_and_backward(benchmark, norm, {64, 64, 28, 28});
  note_bandwidth(benchmark, 20, 64 * 64 * 28 * 28);
}

void dropout(Benchmark& benchmark) {
  nn::Dropout layer{0.1};
  forward_and_backward(benchmark, layer, {4194304});
  note_bandwidth(benchmark, 16, 4194304);
}

void softmax_ce(Benchmark& benchmark) {
  const Tensor logits = parameter({4096, 1000}), labels = randint(0, 1000, {4096});
  benchmark.time([&] {
    logits.zero_grad();
    nn::cross_entropy(logits, labels).backward();
  });
  note_bandwidth(benchmark, 12, 4096 * 1000);
}

// `size` x `size` images.
void convolution(Benchmark& benchmark, Index batch, Index channels, Index size, Index kernel) {
  const Shape shape{batch, channels, size, size};
  nn::Conv2d layer{channels, channels, kernel, {.padding = kernel / 2}};
  forward_and_backward(benchmark, layer, shape);
  const Tensor x = randn(shape);
  const NoGrad no_grad;
  const auto forward = benchmark.time([&] { const Tensor y = layer(x); });
  const double gflop = gflop_of_product(batch * size * size, channels, channels * kernel * kernel);
  note_gflops(benchmark, 3 * gflop);
  benchmark.note("fwd_ms", forward.median_ms);
  benchmark.note("fwd_gflops", gflop / forward.median_ms * 1e3);
}

void lenet(Benchmark& benchmark) {
  nn::Sequential net = models::lenet({1, 28, 28}, 10);
  train_classifier(benchmark, net, optim::SGD{net.parameters(), {.lr = 0.01, .momentum = 0.9}}, {64, 1, 28, 28}, 10);
}

void resnet_small(Benchmark& benchmark) {
  nn::Sequential net = models::preact_resnet({3, 32, 32}, 10, {.activation = "elu"});
  train_classifier(benchmark, net, optim::SGD{net.parameters(), {.lr = 0.1, .momentum = 0.9}}, {64, 3, 32, 32}, 10);
  note_gflops(benchmark, 10.2);
}

// The part of a Transformer's block that works on each place by itself.
template <class FeedForward>
void feed_forward(Benchmark& benchmark, FeedForward layer, double gflop) {
  nn::Residual net{nn::Sequential{nn::LayerNorm{256}, std::move(layer)}};
  optim::AdamW optimizer{net.parameters(), {.lr = 1e-3, .weight_decay = 0.01}};
  const Tensor x = parameter({1024, 256}), g = randn({1024, 256});
  benchmark.time([&] {
    x.zero_grad();
    optimizer.zero_grad();
    net(x).backward(g);
    optimizer.step();
  });
  note_gflops(benchmark, gflop);
}

void ffn_gelu(Benchmark& benchmark) {
  feed_forward(benchmark, nn::FeedForward{256, 1024}, 6 * gflop_of_product(1024, 256, 1024));
}

void ffn_swiglu(Benchmark& benchmark) {
  feed_forward(benchmark, nn::SwiGLU{256, 680}, 9 * gflop_of_product(1024, 256, 680));
}

void charlm(Benchmark& benchmark) {
  models::CharTransformer net{{.vocabulary = 65}};
  net.head = nn::Linear{128, 65, {.bias = false}};
  optim::AdamW optimizer{net.parameters(), {.lr = 3e-4, .betas = {0.9, 0.95}, .weight_decay = 0.1}};
  const Tensor tokens = randint(0, 65, {16, 128}), targets = randint(0, 65, {2048});
  train(benchmark, optimizer, [&] { return nn::cross_entropy(net(tokens).reshape({2048, 65}), targets); });
  note_gflops(benchmark, 11.4);
}

// A recurrent network, spelled out.
void rnn(Benchmark& benchmark) {
  const Index steps = 200, batch = 64, hidden = 128;
  nn::Linear from_input{8, hidden}, from_state{hidden, hidden, {.bias = false}}, head{hidden, 1};
  std::vector<Tensor> parameters;
  for (nn::Module* module : std::initializer_list<nn::Module*>{&from_input, &from_state, &head})
    for (const Tensor& p : module->parameters()) parameters.push_back(p);
  optim::Adam optimizer{parameters, {.lr = 1e-3}};
  const Tensor x = randn({steps, batch, 8}), y = randn({batch, 1}), start = zeros({batch, hidden});
  train(benchmark, optimizer, [&] {
    Tensor h = start;
    for (Index t = 0; t < steps; ++t) h = elu(from_input(x[t]) + from_state(h));
    return nn::mse_loss(head(h), y);
  });
  note_gflops(benchmark,
              double(steps) * (3 * gflop_of_product(batch, hidden, hidden) + 2 * gflop_of_product(batch, hidden, 8)));
}

// The same network as a layer; a bias for the state is part of it.
void rnn_layer(Benchmark& benchmark) {
  nn::RNN layer{8, 128, {.activation = "elu"}};
  nn::Linear head{128, 1};
  std::vector<Tensor> parameters = layer.parameters();
  for (const Tensor& p : head.parameters()) parameters.push_back(p);
  optim::Adam optimizer{parameters, {.lr = 1e-3}};
  const Tensor x = randn({200, 64, 8}), y = randn({64, 1});
  train(benchmark, optimizer, [&] { return nn::mse_loss(head(layer.run(x).h_n[0]), y); });
}

nn::Sequential tanh_mlp(const std::vector<Index>& widths, DType dtype) {
  nn::Sequential net;
  for (std::size_t i = 1; i < widths.size(); ++i) {
    if (i > 1) net.push_back(nn::Tanh{});
    net.push_back(nn::Linear{widths[i - 1], widths[i]});
  }
  net.to(dtype);
  return net;
}

// sin(pi x) sin(pi y)
Tensor product_of_sines(const Tensor& points) {
  const Tensor s = sin(points * std::numbers::pi);
  return s.slice(1, 0, 1) * s.slice(1, 1, 2);
}

// Poisson's equation: the network's Laplacian is to be f.
void pinn(Benchmark& benchmark, DType dtype) {
  nn::Sequential net = tanh_mlp({2, 64, 64, 64, 1}, dtype);
  optim::Adam optimizer{net.parameters(), {.lr = 1e-3}};
  const Tensor x = rand({4096, 2}, {.dtype = dtype});
  const Tensor f = product_of_sines(x) * (-2 * std::numbers::pi * std::numbers::pi);
  train(benchmark, optimizer, [&] {
    const auto u = autograd::laplacian([&](const Tensor& points) { return net(points); }, x);
    return (u.laplacian - f).square().mean();
  });
}

// Differentially private training (Abadi et al. 2016), with the gradient of each sample scaled to a norm of at most 1.
struct PrivateTraining {
  static constexpr Index batch = 256;
  nn::Sequential net{nn::Linear{784, 256}, nn::ReLU{}, nn::Linear{256, 10}};
  optim::SGD optimizer{net.parameters(), {.lr = 0.1}};
  Tensor x = randn({batch, 784}), labels = randint(0, 10, {batch});

  static Tensor loss(const Tensor& output, const Tensor& target) { return nn::cross_entropy(output, target); }

  void step(std::vector<Tensor> sums) {
    for (Tensor& sum : sums) {
      sum.add_(randn_like(sum));
      sum.mul_(1 / double(batch));
    }
    optimizer.step(sums);
  }
};

void dpsgd_loop(Benchmark& benchmark) {
  PrivateTraining p;
  benchmark.time([&] {
    std::vector<Tensor> sums;
    for (const Tensor& parameter : p.net.parameters()) sums.push_back(zeros_like(parameter));
    for (Index i = 0; i < p.batch; ++i) {
      p.net.zero_grad();
      p.loss(p.net(p.x.slice(0, i, i + 1)), p.labels.slice(0, i, i + 1)).backward();
      nn::clip_grad_norm(p.net.parameters(), 1);
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k].add_(p.net.parameters()[k].grad());
    }
    p.step(sums);
  });
}

void dpsgd_outer(Benchmark& benchmark) {
  PrivateTraining p;
  benchmark.time([&] {
    const NamedTensors gradients = autograd::per_sample_gradients(p.net, p.loss, p.x, p.labels);
    const NoGrad no_grad;
    Tensor squares = zeros({p.batch});
    for (const auto& [name, g] : gradients) squares = squares + g.flatten(1).square().sum({.axes = {1}});
    const Tensor factors = (1 / (sqrt(squares) + 1e-6)).clamp(0, 1).reshape({1, p.batch});
    std::vector<Tensor> sums;
    for (std::size_t k = 0; k < gradients.size(); ++k)
      sums.push_back(matmul(factors, gradients[k].second.flatten(1)).reshape(p.net.parameters()[k].shape()));
    p.step(sums);
  });
}

void dpsgd_ghost(Benchmark& benchmark) {
  PrivateTraining p;
  benchmark.time([&] {
    std::vector<Tensor> sums;
    for (const auto& [name, sum] : autograd::clipped_gradients(p.net, p.loss, p.x, p.labels, 1).gradients)
      sums.push_back(sum);
    p.step(sums);
  });
}

void lbfgs(Benchmark& benchmark) {
  nn::Sequential net = tanh_mlp({2, 64, 64, 1}, float64);
  const Tensor x = rand({1024, 2}, {.dtype = float64}), y = product_of_sines(x);
  std::vector<Tensor> start;
  for (const Tensor& p : net.parameters()) start.push_back(p.detach().clone());
  std::int64_t evaluations = 0;
  benchmark.time([&] {
    {
      const NoGrad no_grad;
      for (std::size_t i = 0; i < start.size(); ++i) net.parameters()[i].copy_(start[i]);
    }
    optim::LBFGS optimizer{net.parameters(),
                           {.lr = 1,
                            .max_iter = 20,
                            .max_eval = 1000000,
                            .tolerance_grad = 0,
                            .tolerance_change = 0,
                            .history_size = 10,
                            .line_search = optim::LineSearch::strong_wolfe}};
    optimizer.step([&] {
      optimizer.zero_grad();
      const Tensor loss = nn::mse_loss(net(x), y);
      loss.backward();
      return loss;
    });
    evaluations = optimizer.function_evaluations();
  });
  benchmark.note("evals", double(evaluations));
  benchmark.note("ms_per_eval", benchmark.result().median_ms / double(evaluations));
}

const std::vector<benchmark::Workload> workloads = {
    {"limits", limits},
    {"op_overhead", op_overhead},
    {"mlp_small", mlp_small},
    {"mlp_large", mlp_large},
    {"act_relu", [](Benchmark& b) { activation(b, nn::ReLU{}); }},
    {"act_elu", [](Benchmark& b) { activation(b, nn::ELU{}); }},
    {"act_gelu", [](Benchmark& b) { activation(b, nn::GELU{}); }},
    {"act_gelu_tanh", [](Benchmark& b) { activation(b, nn::GELU{"tanh"}); }},
    {"act_silu", [](Benchmark& b) { activation(b, nn::SiLU{}); }},
    {"act_mish", [](Benchmark& b) { activation(b, nn::Mish{}); }},
    {"act_selu", [](Benchmark& b) { activation(b, nn::SELU{}); }},
    {"act_softplus", [](Benchmark& b) { activation(b, nn::Softplus{}); }},
    {"act_tanh", [](Benchmark& b) { activation(b, nn::Tanh{}); }},
    {"act_sigmoid", [](Benchmark& b) { activation(b, nn::Sigmoid{}); }},
    {"layernorm", layernorm},
    {"softmax_ce", softmax_ce},
    {"batchnorm2d", batchnorm2d},
    {"dropout", dropout},
    {"lenet", lenet},
    {"resnet_small", resnet_small},
    {"conv_c64_28", [](Benchmark& b) { convolution(b, 64, 64, 28, 3); }},
    {"conv_c16_32", [](Benchmark& b) { convolution(b, 64, 16, 32, 3); }},
    {"conv_c128_14", [](Benchmark& b) { convolution(b, 32, 128, 14, 3); }},
    {"conv1x1_c256_14", [](Benchmark& b) { convolution(b, 32, 256, 14, 1); }},
    {"ffn_gelu", ffn_gelu},
    {"ffn_swiglu", ffn_swiglu},
    {"charlm", charlm},
    {"rnn", rnn},
    {"rnn_layer", rnn_layer},
    {"pinn_fp32", [](Benchmark& b) { pinn(b, float32); }},
    {"pinn_fp64", [](Benchmark& b) { pinn(b, float64); }},
    {"dpsgd_loop", dpsgd_loop},
    {"dpsgd_outer", dpsgd_outer},
    {"dpsgd_ghost", dpsgd_ghost},
    {"lbfgs", lbfgs},
};

}  // namespace

int main(int argc, char** argv) { return benchmark::main_of("gradus", workloads, set_num_threads, argc, argv); }
