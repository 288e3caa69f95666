// The same workloads with libtorch, at its best settings (compare.py sets the environment).
#include <torch/torch.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "harness.hpp"

using benchmark::Benchmark;
using torch::Tensor;
namespace F = torch::nn::functional;

namespace {

Tensor parameter(at::IntArrayRef shape) { return torch::randn(shape).requires_grad_(); }

void drop_gradient(const Tensor& x) { x.mutable_grad() = Tensor(); }

// compare.py chooses the kernels of BLAS by this.
void limits(Benchmark& benchmark) {
  const torch::NoGradGuard no_grad;
  const Tensor a = torch::randn({1024, 1024}), b = torch::randn({1024, 1024});
  benchmark.time([&] { const Tensor c = torch::mm(a, b); });
}

void op_overhead(Benchmark& benchmark) {
  const Tensor x = parameter({8}), w = parameter({8}), b = parameter({8}), seed = torch::ones({8});
  const auto step = benchmark.time([&] {
    for (const Tensor& t : {x, w, b}) drop_gradient(t);
    const Tensor y = torch::relu(x * w + b);
    y.backward(seed);
  });
  const auto recorded = benchmark.time([&] { const Tensor y = torch::relu(x * w + b); });
  const torch::NoGradGuard no_grad;
  const auto plain = benchmark.time([&] { const Tensor y = torch::relu(x * w + b); });
  benchmark.note("ns_per_op", step.median_ms * 1e6 / 6);
  benchmark.note("fwd_recorded_ns_per_op", recorded.median_ms * 1e6 / 3);
  benchmark.note("fwd_nograd_ns_per_op", plain.median_ms * 1e6 / 3);
}

void drop_gradients(const std::vector<Tensor>& tensors) {
  for (const Tensor& t : tensors) drop_gradient(t);
}

template <class Loss>
void train(Benchmark& benchmark, torch::optim::Optimizer& optimizer, const std::vector<Tensor>& parameters,
           Loss&& loss) {
  benchmark.time([&] {
    drop_gradients(parameters);
    loss().backward();
    optimizer.step();
  });
}

void train_mlp(Benchmark& benchmark, torch::nn::Sequential net, int64_t batch) {
  const Tensor x = torch::randn({batch, 784}), labels = torch::randint(10, {batch}, torch::kInt64);
  const std::vector<Tensor> parameters = net->parameters();
  torch::optim::Adam optimizer(parameters, torch::optim::AdamOptions(1e-3));
  train(benchmark, optimizer, parameters, [&] { return F::cross_entropy(net->forward(x), labels); });
}

void mlp_small(Benchmark& benchmark) {
  using namespace torch::nn;
  train_mlp(benchmark, Sequential(Linear(784, 128), ReLU(), Linear(128, 10)), 32);
}

void mlp_large(Benchmark& benchmark) {
  using namespace torch::nn;
  train_mlp(benchmark, Sequential(Linear(784, 1024), GELU(), Linear(1024, 1024), GELU(), Linear(1024, 10)), 256);
}

template <class Function, class Out>
void activation(Benchmark& benchmark, Function f, Out f_out) {
  constexpr int64_t n = 4194304;
  const Tensor x = parameter({n}), g = torch::randn({n});
  const auto both = benchmark.time([&] {
    drop_gradient(x);
    f(x).backward(g);
  });
  drop_gradient(x);
  const torch::NoGradGuard no_grad;
  const auto forward = benchmark.time([&] { const Tensor y = f(x); });
  Tensor out = torch::empty({n});
  const auto in_place = benchmark.time([&] { f_out(out, x); });
  benchmark.note("fwd_ms", forward.median_ms);
  benchmark.note("fwdbwd_ms", both.median_ms);
  benchmark.note("fwd_out_ms", in_place.median_ms);
  benchmark.note("fwd_gbs", 8e-6 * double(n) / forward.median_ms);
  benchmark.note("fwdbwd_gbs", 20e-6 * double(n) / both.median_ms);
  benchmark.note("fwd_out_gbs", 8e-6 * double(n) / in_place.median_ms);
}

enum class Layout { plain, channels_last };

Tensor laid_out(const Tensor& x, Layout layout) {
  return layout == Layout::channels_last ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
}

void lay_out(torch::nn::Module& module, Layout layout) {
  for (Tensor& p : module.parameters())
    if (p.dim() == 4) p.set_data(laid_out(p.data(), layout));
}

template <class Layer>
void forward_and_backward(Benchmark& benchmark, Layer layer, at::IntArrayRef shape, Layout layout = Layout::plain) {
  lay_out(*layer, layout);
  const Tensor x = laid_out(torch::randn(shape), layout).requires_grad_();
  const Tensor g = laid_out(torch::randn(layer->forward(x).sizes()), layout);
  const std::vector<Tensor> parameters = layer->parameters();
  benchmark.time([&] {
    drop_gradient(x);
    drop_gradients(parameters);
    layer->forward(x).backward(g);
  });
}

void layernorm(Benchmark& benchmark) {
  forward_and_backward(benchmark, torch::nn::LayerNorm(torch::nn::LayerNormOptions({1024})), {4096, 1024});
}

void batchnorm2d(Benchmark& benchmark, Layout layout) {
  forward_and_backward(benchmark, torch::nn::BatchNorm2d(64), {64, 64, 28, 28}, layout);
}

void dropout(Benchmark& benchmark) { forward_and_backward(benchmark, torch::nn::Dropout(0.1), {4194304}); }

void convolution(Benchmark& benchmark, int64_t batch, int64_t channels, int64_t size, int64_t kernel, Layout layout) {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(channels, channels, kernel).padding(kernel / 2));
  const std::vector<int64_t> shape{batch, channels, size, size};
  forward_and_backward(benchmark, layer, shape, layout);
  const Tensor x = laid_out(torch::randn(shape), layout);
  const torch::NoGradGuard no_grad;
  const auto forward = benchmark.time([&] { const Tensor y = layer->forward(x); });
  const double gflop = 2e-9 * double(batch * size * size * channels * channels * kernel * kernel);
  benchmark.note("gflops", 3e3 * gflop / benchmark.result().median_ms);
  benchmark.note("fwd_ms", forward.median_ms);
  benchmark.note("fwd_gflops", 1e3 * gflop / forward.median_ms);
}

void train_images(Benchmark& benchmark, torch::nn::Sequential net, at::IntArrayRef shape, double lr, Layout layout) {
  lay_out(*net, layout);
  const Tensor x = laid_out(torch::randn(shape), layout);
  const Tensor labels = torch::randint(10, {shape[0]}, torch::kInt64);
  const std::vector<Tensor> parameters = net->parameters();
  torch::optim::SGD optimizer(parameters, torch::optim::SGDOptions(lr).momentum(0.9));
  train(benchmark, optimizer, parameters, [&] { return F::cross_entropy(net->forward(x), labels); });
}

void lenet(Benchmark& benchmark, Layout layout) {
  using namespace torch::nn;
  Sequential net(Conv2d(Conv2dOptions(1, 6, 5).padding(2)), ReLU(), MaxPool2d(2), Conv2d(Conv2dOptions(6, 16, 5)),
                 ReLU(), MaxPool2d(2), Flatten(), Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, 10));
  train_images(benchmark, net, {64, 1, 28, 28}, 0.01, layout);
}

torch::nn::Conv2d convolution_of(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

struct BlockImpl : torch::nn::Module {
  BlockImpl(int64_t in, int64_t out, int64_t stride)
      : bn1(register_module("bn1", torch::nn::BatchNorm2d(in))),
        conv1(register_module("conv1", convolution_of(in, out, 3, stride))),
        bn2(register_module("bn2", torch::nn::BatchNorm2d(out))),
        conv2(register_module("conv2", convolution_of(out, out, 3, 1))) {
    if (in != out || stride != 1) shortcut = register_module("shortcut", convolution_of(in, out, 1, stride));
  }
  Tensor forward(const Tensor& x) {
    const Tensor a = torch::elu(bn1->forward(x));
    const Tensor s = shortcut.is_empty() ? x : shortcut->forward(a);
    return s + conv2->forward(torch::elu(bn2->forward(conv1->forward(a))));
  }
  torch::nn::BatchNorm2d bn1;
  torch::nn::Conv2d conv1;
  torch::nn::BatchNorm2d bn2;
  torch::nn::Conv2d conv2;
  torch::nn::Conv2d shortcut{nullptr};
};
TORCH_MODULE(Block);

void resnet_small(Benchmark& benchmark, Layout layout) {
  using namespace torch::nn;
  Sequential net(convolution_of(3, 16, 3, 1), Block(16, 16, 1), Block(16, 16, 1), Block(16, 32, 2), Block(32, 32, 1),
                 Block(32, 64, 2), Block(64, 64, 1), BatchNorm2d(64), ELU(), AdaptiveAvgPool2d(1), Flatten(),
                 Linear(64, 10));
  train_images(benchmark, net, {64, 3, 32, 32}, 0.1, layout);
}

struct GeluPartImpl : torch::nn::Module {
  torch::nn::Linear linear1{register_module("linear1", torch::nn::Linear(256, 1024))};
  torch::nn::Linear linear2{register_module("linear2", torch::nn::Linear(1024, 256))};
  Tensor forward(const Tensor& x) { return linear2->forward(torch::gelu(linear1->forward(x))); }
};
TORCH_MODULE(GeluPart);

torch::nn::Linear linear_without_bias(int64_t in, int64_t out) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false));
}

struct SwigluPartImpl : torch::nn::Module {
  torch::nn::Linear linear1{register_module("linear1", linear_without_bias(256, 680))};
  torch::nn::Linear linear2{register_module("linear2", linear_without_bias(256, 680))};
  torch::nn::Linear linear3{register_module("linear3", linear_without_bias(680, 256))};
  Tensor forward(const Tensor& x) { return linear3->forward(torch::silu(linear1->forward(x)) * linear2->forward(x)); }
};
TORCH_MODULE(SwigluPart);

template <class Part>
void feed_forward(Benchmark& benchmark, Part part) {
  torch::nn::LayerNorm norm(torch::nn::LayerNormOptions({256}));
  std::vector<Tensor> parameters = part->parameters();
  for (const Tensor& p : norm->parameters()) parameters.push_back(p);
  torch::optim::AdamW optimizer(parameters, torch::optim::AdamWOptions(1e-3).weight_decay(0.01));
  const Tensor x = parameter({1024, 256}), g = torch::randn({1024, 256});
  benchmark.time([&] {
    drop_gradient(x);
    drop_gradients(parameters);
    (x + part->forward(norm->forward(x))).backward(g);
    optimizer.step();
  });
}

struct TransformerBlockImpl : torch::nn::Module {
  torch::nn::LayerNorm norm1{register_module("norm1", torch::nn::LayerNorm(torch::nn::LayerNormOptions({128})))};
  torch::nn::LayerNorm norm2{register_module("norm2", torch::nn::LayerNorm(torch::nn::LayerNormOptions({128})))};
  torch::nn::Linear qkv{register_module("qkv", torch::nn::Linear(128, 384))};
  torch::nn::Linear projection{register_module("projection", torch::nn::Linear(128, 128))};
  torch::nn::Linear linear1{register_module("linear1", torch::nn::Linear(128, 512))};
  torch::nn::Linear linear2{register_module("linear2", torch::nn::Linear(512, 128))};
  Tensor hidden = torch::ones({128, 128}).triu(1).to(torch::kBool);

  Tensor attention(const Tensor& x) {
    const int64_t n = x.size(0), length = x.size(1);
    const auto parts = qkv->forward(x).view({n, length, 3, 4, 32}).permute({2, 0, 3, 1, 4}).unbind(0);
    const Tensor scores = torch::matmul(parts[0] * (1 / std::sqrt(32.0)), parts[1].transpose(-2, -1));
    const Tensor weights = torch::softmax(scores.masked_fill(hidden, -INFINITY), -1);
    return projection->forward(torch::matmul(weights, parts[2]).transpose(1, 2).reshape({n, length, 128}));
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = x + attention(norm1->forward(x));
    return y + linear2->forward(torch::gelu(linear1->forward(norm2->forward(y))));
  }
};
TORCH_MODULE(TransformerBlock);

void charlm(Benchmark& benchmark) {
  using namespace torch::nn;
  Embedding tokens(65, 128), places(128, 128);
  Sequential net(TransformerBlock(), TransformerBlock(), TransformerBlock(), TransformerBlock(),
                 LayerNorm(LayerNormOptions({128})), linear_without_bias(128, 65));
  std::vector<Tensor> parameters = net->parameters();
  for (const Tensor& p : {tokens->weight, places->weight}) parameters.push_back(p);
  torch::optim::AdamW optimizer(parameters, torch::optim::AdamWOptions(3e-4).betas({0.9, 0.95}).weight_decay(0.1));
  const Tensor x = torch::randint(65, {16, 128}, torch::kInt64), targets = torch::randint(65, {2048}, torch::kInt64);
  train(benchmark, optimizer, parameters, [&] {
    return F::cross_entropy(net->forward(tokens->forward(x) + places->weight).view({2048, 65}), targets);
  });
}

void rnn(Benchmark& benchmark) {
  const int64_t steps = 200, batch = 64, hidden = 128;
  torch::nn::Linear from_input(8, hidden), from_state = linear_without_bias(hidden, hidden), head(hidden, 1);
  std::vector<Tensor> parameters;
  for (torch::nn::Linear& module : std::vector{from_input, from_state, head})
    for (const Tensor& p : module->parameters()) parameters.push_back(p);
  torch::optim::Adam optimizer(parameters, torch::optim::AdamOptions(1e-3));
  const Tensor x = torch::randn({steps, batch, 8}), y = torch::randn({batch, 1}), start = torch::zeros({batch, hidden});
  train(benchmark, optimizer, parameters, [&] {
    Tensor h = start;
    for (int64_t t = 0; t < steps; ++t) h = torch::elu(from_input->forward(x[t]) + from_state->forward(h));
    return F::mse_loss(head->forward(h), y);
  });
}

// libtorch's own recurrent layer has no ELU; the input's half for all time steps at once is what it would do.
void rnn_layer(Benchmark& benchmark) {
  const int64_t steps = 200, batch = 64, hidden = 128;
  torch::nn::Linear from_input(8, hidden), from_state(hidden, hidden), head(hidden, 1);
  std::vector<Tensor> parameters;
  for (torch::nn::Linear& module : std::vector{from_input, from_state, head})
    for (const Tensor& p : module->parameters()) parameters.push_back(p);
  torch::optim::Adam optimizer(parameters, torch::optim::AdamOptions(1e-3));
  const Tensor x = torch::randn({steps, batch, 8}), y = torch::randn({batch, 1}), start = torch::zeros({batch, hidden});
  train(benchmark, optimizer, parameters, [&] {
    const std::vector<Tensor> inputs = (from_input->forward(x) + from_state->bias).unbind(0);
    const Tensor recurrent = from_state->weight.t();
    Tensor h = start;
    for (int64_t t = 0; t < steps; ++t) h = torch::elu(torch::addmm(inputs[std::size_t(t)], h, recurrent));
    return F::mse_loss(head->forward(h), y);
  });
}

torch::nn::Sequential tanh_mlp(const std::vector<int64_t>& widths, torch::ScalarType type) {
  torch::nn::Sequential net;
  for (std::size_t i = 1; i < widths.size(); ++i) {
    if (i > 1) net->push_back(torch::nn::Tanh());
    net->push_back(torch::nn::Linear(widths[i - 1], widths[i]));
  }
  net->to(type);
  return net;
}

Tensor product_of_sines(const Tensor& points) {
  return torch::sin(points * std::numbers::pi).prod(1, /*keepdim=*/true);
}

void pinn(Benchmark& benchmark, torch::ScalarType type) {
  torch::nn::Sequential net = tanh_mlp({2, 64, 64, 64, 1}, type);
  const std::vector<Tensor> parameters = net->parameters();
  torch::optim::Adam optimizer(parameters, torch::optim::AdamOptions(1e-3));
  const Tensor x = torch::rand({4096, 2}, type);
  const Tensor f = product_of_sines(x) * (-2 * std::numbers::pi * std::numbers::pi);
  x.requires_grad_();
  const auto slope_of = [&](const Tensor& y) {
    return torch::autograd::grad({y.sum()}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
  };
  train(benchmark, optimizer, parameters, [&] {
    const Tensor slope = slope_of(net->forward(x));
    Tensor r = -f;
    for (int64_t axis = 0; axis < 2; ++axis) r = r + slope_of(slope.narrow(1, axis, 1)).narrow(1, axis, 1);
    return r.square().mean();
  });
}

struct PrivateTraining {
  static constexpr int64_t batch = 256;
  torch::nn::Linear first{784, 256}, second{256, 10};
  std::vector<Tensor> parameters{first->weight, first->bias, second->weight, second->bias};
  torch::optim::SGD optimizer{parameters, torch::optim::SGDOptions(0.1)};
  Tensor x = torch::randn({batch, 784}), labels = torch::randint(10, {batch}, torch::kInt64);

  // What a layer saw, and the gradients of every sample's loss with respect to its output.
  struct Pass {
    Tensor inputs[2], slopes[2];
  };
  Pass pass() {
    const Tensor z = first->forward(x), a = torch::relu(z), y = second->forward(a);
    const Tensor loss = F::cross_entropy(y, labels, F::CrossEntropyFuncOptions().reduction(torch::kSum));
    const auto slopes = torch::autograd::grad({loss}, {z, y});
    return {{x, a.detach()}, {slopes[0], slopes[1]}};
  }

  static Tensor factors(const Tensor& squared_norms) { return (1 / (squared_norms.sqrt() + 1e-6)).clamp_max(1); }

  void step(const std::vector<Tensor>& sums) {
    const torch::NoGradGuard no_grad;
    for (std::size_t k = 0; k < sums.size(); ++k)
      parameters[k].mutable_grad() = (sums[k] + torch::randn_like(sums[k])).div_(double(batch));
    optimizer.step();
  }
};

void dpsgd_loop(Benchmark& benchmark) {
  PrivateTraining p;
  benchmark.time([&] {
    std::vector<Tensor> sums;
    for (const Tensor& parameter : p.parameters) sums.push_back(torch::zeros_like(parameter));
    for (int64_t i = 0; i < p.batch; ++i) {
      drop_gradients(p.parameters);
      const Tensor y = p.second->forward(torch::relu(p.first->forward(p.x.narrow(0, i, 1))));
      F::cross_entropy(y, p.labels.narrow(0, i, 1)).backward();
      const torch::NoGradGuard no_grad;
      double squares = 0;
      for (const Tensor& parameter : p.parameters) {
        const double norm = parameter.grad().norm().item<double>();
        squares += norm * norm;
      }
      const double factor = std::min(1.0, 1 / (std::sqrt(squares) + 1e-6));
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k].add_(p.parameters[k].grad(), factor);
    }
    p.step(sums);
  });
}

void dpsgd_outer(Benchmark& benchmark) {
  PrivateTraining p;
  benchmark.time([&] {
    const auto pass = p.pass();
    std::vector<Tensor> gradients;
    for (int layer = 0; layer < 2; ++layer) {
      gradients.push_back(torch::bmm(pass.slopes[layer].unsqueeze(2), pass.inputs[layer].unsqueeze(1)));
      gradients.push_back(pass.slopes[layer]);
    }
    Tensor squares = torch::zeros({p.batch});
    for (const Tensor& g : gradients) squares = squares + g.flatten(1).square().sum(1);
    const Tensor factors = p.factors(squares).unsqueeze(0);
    std::vector<Tensor> sums;
    for (std::size_t k = 0; k < gradients.size(); ++k)
      sums.push_back(torch::mm(factors, gradients[k].flatten(1)).view(p.parameters[k].sizes()));
    p.step(sums);
  });
}

void dpsgd_ghost(Benchmark& benchmark) {
  PrivateTraining p;
  benchmark.time([&] {
    const auto pass = p.pass();
    Tensor squares = torch::zeros({p.batch});
    for (int layer = 0; layer < 2; ++layer)
      squares = squares + pass.slopes[layer].square().sum(1) * (pass.inputs[layer].square().sum(1) + 1);
    const Tensor factors = p.factors(squares).unsqueeze(1);
    std::vector<Tensor> sums;
    for (int layer = 0; layer < 2; ++layer) {
      const Tensor scaled = pass.slopes[layer] * factors;
      sums.push_back(torch::mm(scaled.t(), pass.inputs[layer]));
      sums.push_back(scaled.sum(0));
    }
    p.step(sums);
  });
}

void lbfgs(Benchmark& benchmark) {
  torch::nn::Sequential net = tanh_mlp({2, 64, 64, 1}, torch::kFloat64);
  const std::vector<Tensor> parameters = net->parameters();
  const Tensor x = torch::rand({1024, 2}, torch::kFloat64), y = product_of_sines(x);
  std::vector<Tensor> start;
  for (const Tensor& p : parameters) start.push_back(p.detach().clone());
  int64_t evaluations = 0;
  benchmark.time([&] {
    {
      const torch::NoGradGuard no_grad;
      for (std::size_t i = 0; i < start.size(); ++i) Tensor(parameters[i]).copy_(start[i]);
    }
    torch::optim::LBFGS optimizer(parameters, torch::optim::LBFGSOptions(1)
                                                  .max_iter(20)
                                                  .max_eval(1000000)
                                                  .tolerance_grad(0)
                                                  .tolerance_change(0)
                                                  .history_size(10)
                                                  .line_search_fn("strong_wolfe"));
    evaluations = 0;
    optimizer.step([&] {
      drop_gradients(parameters);
      const Tensor loss = F::mse_loss(net->forward(x), y);
      loss.backward();
      ++evaluations;
      return loss;
    });
  });
  benchmark.note("evals", double(evaluations));
  benchmark.note("ms_per_eval", benchmark.result().median_ms / double(evaluations));
}

void softmax_ce(Benchmark& benchmark) {
  const Tensor logits = parameter({4096, 1000}), labels = torch::randint(1000, {4096}, torch::kInt64);
  benchmark.time([&] {
    drop_gradient(logits);
    F::cross_entropy(logits, labels).backward();
  });
}

#define ACTIVATION(function, out)                                                              \
  [](Benchmark& b) {                                                                           \
    activation(                                                                                \
        b, [](const Tensor& x) { return function; }, [](Tensor& y, const Tensor& x) { out; }); \
  }

// The two forms that libtorch can give images; the faster one counts.
#define LAYOUTS(name, call)                                  \
  {name,                                                     \
   [](Benchmark& b) {                                        \
     [[maybe_unused]] constexpr auto layout = Layout::plain; \
     call;                                                   \
   }},                                                       \
  {                                                          \
    name "_cl", [](Benchmark& b) {                           \
      constexpr auto layout = Layout::channels_last;         \
      call;                                                  \
    }                                                        \
  }

const std::vector<benchmark::Workload> workloads = {
    {"limits", limits},
    {"op_overhead", op_overhead},
    {"mlp_small", mlp_small},
    {"mlp_large", mlp_large},
    {"act_relu", ACTIVATION(torch::relu(x), at::clamp_min_out(y, x, 0))},
    {"act_elu", ACTIVATION(torch::elu(x), at::elu_out(y, x))},
    {"act_gelu", ACTIVATION(torch::gelu(x), at::gelu_out(y, x))},
    {"act_gelu_tanh", ACTIVATION(torch::gelu(x, "tanh"), at::gelu_out(y, x, "tanh"))},
    {"act_silu", ACTIVATION(torch::silu(x), at::silu_out(y, x))},
    {"act_mish", ACTIVATION(torch::mish(x), at::mish_out(y, x))},
    {"act_selu", ACTIVATION(torch::selu(x), at::elu_out(y, x, 1.6732632423543772, 1.0507009873554805))},
    {"act_softplus", ACTIVATION(torch::softplus(x), at::softplus_out(y, x))},
    {"act_tanh", ACTIVATION(torch::tanh(x), at::tanh_out(y, x))},
    {"act_sigmoid", ACTIVATION(torch::sigmoid(x), at::sigmoid_out(y, x))},
    {"layernorm", layernorm},
    {"softmax_ce", softmax_ce},
    LAYOUTS("batchnorm2d", batchnorm2d(b, layout)),
    {"dropout", dropout},
    LAYOUTS("lenet", lenet(b, layout)),
    LAYOUTS("resnet_small", resnet_small(b, layout)),
    LAYOUTS("conv_c64_28", convolution(b, 64, 64, 28, 3, layout)),
    LAYOUTS("conv_c16_32", convolution(b, 64, 16, 32, 3, layout)),
    LAYOUTS("conv_c128_14", convolution(b, 32, 128, 14, 3, layout)),
    LAYOUTS("conv1x1_c256_14", convolution(b, 32, 256, 14, 1, layout)),
    {"ffn_gelu", [](Benchmark& b) { feed_forward(b, GeluPart()); }},
    {"ffn_swiglu", [](Benchmark& b) { feed_forward(b, SwigluPart()); }},
    {"charlm", charlm},
    {"rnn", rnn},
    {"rnn_layer", rnn_layer},
    {"pinn_fp32", [](Benchmark& b) { pinn(b, torch::kFloat32); }},
    {"pinn_fp64", [](Benchmark& b) { pinn(b, torch::kFloat64); }},
    {"dpsgd_loop", dpsgd_loop},
    {"dpsgd_outer", dpsgd_outer},
    {"dpsgd_ghost", dpsgd_ghost},
    {"lbfgs", lbfgs},
};

void set_threads(int threads) {
  at::set_num_threads(threads);
  torch::manual_seed(0);
}

}  // namespace

int main(int argc, char** argv) { return benchmark::main_of("libtorch", workloads, set_threads, argc, argv); }
