// The workloads of docs/performance.md as a user of gradus would write them.
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/layer_norm.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/nn/sequential.hpp"
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

// A training step of a classifier with Adam.
void train_classifier(Benchmark& benchmark, nn::Module& net, Index batch, Index features, Index classes) {
  const Tensor x = randn({batch, features}), labels = randint(0, classes, {batch});
  optim::Adam optimizer{net.parameters(), {.lr = 1e-3}};
  benchmark.time([&] {
    optimizer.zero_grad();
    nn::cross_entropy(net(x), labels).backward();
    optimizer.step();
  });
}

void mlp_small(Benchmark& benchmark) {
  nn::Sequential net{nn::Linear{784, 128}, nn::ReLU{}, nn::Linear{128, 10}};
  train_classifier(benchmark, net, 32, 784, 10);
}

void mlp_large(Benchmark& benchmark) {
  nn::Sequential net{nn::Linear{784, 1024}, nn::GELU{}, nn::Linear{1024, 1024}, nn::GELU{}, nn::Linear{1024, 10}};
  train_classifier(benchmark, net, 256, 784, 10);
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
}

void layernorm(Benchmark& benchmark) {
  nn::LayerNorm norm{1024};
  const Tensor x = parameter({4096, 1024}), g = randn({4096, 1024});
  benchmark.time([&] {
    x.zero_grad();
    norm.zero_grad();
    norm(x).backward(g);
  });
}

void softmax_ce(Benchmark& benchmark) {
  const Tensor logits = parameter({4096, 1000}), labels = randint(0, 1000, {4096});
  benchmark.time([&] {
    logits.zero_grad();
    nn::cross_entropy(logits, labels).backward();
  });
}

const std::vector<benchmark::Workload> workloads = {
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
};

}  // namespace

int main(int argc, char** argv) { return benchmark::main_of("gradus", workloads, set_num_threads, argc, argv); }
