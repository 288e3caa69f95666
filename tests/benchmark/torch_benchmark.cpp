// The same workloads with libtorch, at its best settings (compare.py sets the environment).
#include <torch/torch.h>

#include <vector>

#include "harness.hpp"

using benchmark::Benchmark;
using torch::Tensor;
namespace F = torch::nn::functional;

namespace {

Tensor parameter(at::IntArrayRef shape) { return torch::randn(shape).requires_grad_(); }

void drop_gradient(const Tensor& x) { x.mutable_grad() = Tensor(); }

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

void train_classifier(Benchmark& benchmark, torch::nn::Sequential net, int64_t batch, int64_t features,
                      int64_t classes) {
  const Tensor x = torch::randn({batch, features}), labels = torch::randint(classes, {batch}, torch::kInt64);
  const std::vector<Tensor> parameters = net->parameters();
  torch::optim::Adam optimizer(parameters, torch::optim::AdamOptions(1e-3));
  benchmark.time([&] {
    for (const Tensor& p : parameters) drop_gradient(p);
    F::cross_entropy(net->forward(x), labels).backward();
    optimizer.step();
  });
}

void mlp_small(Benchmark& benchmark) {
  using namespace torch::nn;
  train_classifier(benchmark, Sequential(Linear(784, 128), ReLU(), Linear(128, 10)), 32, 784, 10);
}

void mlp_large(Benchmark& benchmark) {
  using namespace torch::nn;
  train_classifier(benchmark, Sequential(Linear(784, 1024), GELU(), Linear(1024, 1024), GELU(), Linear(1024, 10)), 256,
                   784, 10);
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

void layernorm(Benchmark& benchmark) {
  torch::nn::LayerNorm norm(torch::nn::LayerNormOptions({1024}));
  const Tensor x = parameter({4096, 1024}), g = torch::randn({4096, 1024});
  benchmark.time([&] {
    drop_gradient(x);
    drop_gradient(norm->weight);
    drop_gradient(norm->bias);
    norm->forward(x).backward(g);
  });
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

const std::vector<benchmark::Workload> workloads = {
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
};

void set_threads(int threads) {
  at::set_num_threads(threads);
  torch::manual_seed(0);
}

}  // namespace

int main(int argc, char** argv) { return benchmark::main_of("libtorch", workloads, set_threads, argc, argv); }
