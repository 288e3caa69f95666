#include "gradus/optim/dp_sgd.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/optim/sgd.hpp"
#include "gradus/tensor.hpp"
#include "same_bits.hpp"
#include "thrown.hpp"

using namespace gradus;
using optim::DPSGD;
using optim::DPSGDOptions;

namespace {

Tensor parameter(const Shape& shape, DType dtype = float64) { return zeros(shape, {.dtype = dtype}).requires_grad_(); }

Tensor numbers(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return randn(shape, {.dtype = float64, .generator = &generator});
}

struct Moments {
  double mean, variance, fourth;
};
Moments moments(const Tensor& x) {
  double sum = 0, squares = 0, fourths = 0;
  for (const double v : to_vector<double>(x.detach().to(float64))) {
    sum += v;
    squares += v * v;
    fourths += v * v * v * v;
  }
  const double n = double(x.numel());
  return {sum / n, squares / n, fourths / n};
}

}  // namespace

TEST_CASE("the noise of a step is normal with deviation sigma C over the batch size") {
  const Index n = 200000;
  for (const bool seeded : {true, false})
    for (const DType dtype : {float32, float64}) {
      CAPTURE(seeded);
      Tensor p = parameter({n}, dtype), q = parameter({n}, dtype);
      DPSGDOptions options{.lr = 2, .noise_multiplier = 1.5, .max_grad_norm = 3, .expected_batch_size = 10};
      if (seeded) options.seed = 7;
      DPSGD optimizer{std::vector{p, q}, options};
      optimizer.step({zeros({n}, {.dtype = dtype}), Tensor{}});  // no gradient: noise all the same
      const double deviation = 2 * 1.5 * 3 / 10;
      for (const Tensor& x : {p, q}) {  // six standard errors
        const Moments m = moments(x);
        CHECK(std::abs(m.mean) < 6 * deviation / std::sqrt(double(n)));
        CHECK(std::abs(m.variance / (deviation * deviation) - 1) < 6 * std::sqrt(2.0 / double(n)));
        CHECK(std::abs(m.fourth / std::pow(deviation, 4) - 3) < 6 * std::sqrt(96.0 / double(n)));
      }
      double product = 0;
      for (Index i = 0; i < n; ++i)
        product += p.detach().to(float64).data<double>()[i] * q.detach().to(float64).data<double>()[i];
      CHECK(std::abs(product / double(n)) < 6 * deviation * deviation / std::sqrt(double(n)));
    }
}

TEST_CASE("with a seed the noise is the same each time, else it never is") {
  const auto after = [](std::optional<std::uint64_t> seed) {
    const Tensor p = parameter({33});
    DPSGD optimizer{std::vector{p}, {.lr = 1, .expected_batch_size = 1, .seed = seed}};
    optimizer.step(std::vector<Tensor>{Tensor{}});
    return p.detach().clone();
  };
  CHECK(same_bits(after(3), after(3)));
  CHECK_FALSE(same_bits(after(3), after(4)));
  CHECK_FALSE(same_bits(after({}), after({})));
}

TEST_CASE("two steps have different noise") {
  const Tensor p = parameter({33});
  DPSGD optimizer{std::vector{p}, {.lr = 1, .expected_batch_size = 1, .seed = 3}};
  optimizer.step(std::vector<Tensor>{Tensor{}});
  const Tensor first = p.detach().clone();
  optimizer.step(std::vector<Tensor>{Tensor{}});
  CHECK_FALSE(same_bits(p.detach() - first, first));
}

TEST_CASE("without noise the steps are those of SGD along the mean") {
  for (const bool nesterov : {false, true})
    for (const double momentum : {0.0, 0.9}) {
      if (nesterov && momentum == 0) continue;
      Tensor a = parameter({3, 2}), b = parameter({5}), c = parameter({3, 2}), d = parameter({5});
      DPSGD noisy{std::vector{a, b},
                  {.lr = 0.3,
                   .momentum = momentum,
                   .weight_decay = 0.1,
                   .nesterov = nesterov,
                   .noise_multiplier = 0,
                   .expected_batch_size = 8}};
      optim::SGD plain{std::vector{c, d}, {.lr = 0.3, .momentum = momentum, .weight_decay = 0.1, .nesterov = nesterov}};
      for (std::uint64_t step = 0; step < 5; ++step) {
        const Tensor first = numbers({3, 2}, step), second = numbers({5}, 100 + step);
        noisy.step({first, second});
        plain.step({first / 8, second / 8});
      }
      CHECK(same_bits(a, c));
      CHECK(same_bits(b, d));
    }
}

TEST_CASE("frozen parameters get no noise, and names are checked") {
  Tensor a = parameter({2}), frozen = zeros({2}, {.dtype = float64}), b = parameter({3});
  DPSGD optimizer{NamedTensors{{"a", a}, {"frozen", frozen}, {"b", b}}, {.lr = 1, .expected_batch_size = 1, .seed = 1}};
  const Tensor two = zeros({2}, {.dtype = float64}), three = zeros({3}, {.dtype = float64});
  CHECK(thrown([&] { optimizer.step(NamedTensors{{"a", two}}); }) == "DPSGD: step got no sum for parameter \"b\"");
  CHECK(thrown([&] {
          optimizer.step(NamedTensors{{"b", three}, {"a", two}});
        }) == "DPSGD: step got the sum for \"b\" where that for parameter \"a\" is due");
  CHECK(thrown([&] {
          optimizer.step(NamedTensors{{"a", two}, {"b", three}, {"c", two}});
        }) == "DPSGD: step got the sum for \"c\", which it does not train");
  CHECK(thrown([&] {
          optimizer.step(NamedTensors{{"a", two}, {"b", two}});
        }) == "DPSGD: the gradient of parameter \"b\" is float64 (2) but the parameter is float64 (3)");
  CHECK(thrown([&] { optimizer.step(std::vector{two}); }) == "DPSGD: step got 1 gradients for 3 parameters");
  CHECK(optimizer.releases().empty());
  optimizer.step(NamedTensors{{"a", two}, {"b", three}});
  CHECK(moments(frozen).variance == 0);
  CHECK(moments(a).variance > 0);
  CHECK(moments(b).variance > 0);
  check_contains(thrown([&] { optimizer.step(); }),
                 {"DPSGD: step() would take the gradients of backward()", "private_step"});
}

TEST_CASE("steps are counted by their noise") {
  const Tensor p = parameter({2});
  DPSGD optimizer{std::vector{p}, {.lr = 1, .noise_multiplier = 2, .expected_batch_size = 1, .seed = 1}};
  for (int i = 0; i < 3; ++i) optimizer.step(std::vector<Tensor>{Tensor{}});
  optimizer.set_option("noise_multiplier", 1);
  optimizer.set_option("max_grad_norm", 5);  // does not change what is given away
  optimizer.step(std::vector<Tensor>{Tensor{}});
  REQUIRE(optimizer.releases().size() == 2);
  CHECK(optimizer.releases()[0].noise_multiplier == 2);
  CHECK(optimizer.releases()[0].steps == 3);
  CHECK(optimizer.releases()[1].noise_multiplier == 1);
  CHECK(optimizer.releases()[1].steps == 1);
}

TEST_CASE("a run with a seed resumes to the same bits, one without goes on counting") {
  const DPSGDOptions seeded{.lr = 0.1, .momentum = 0.9, .expected_batch_size = 4, .seed = 11};
  const Tensor p = parameter({7}), q = parameter({7});
  DPSGD whole{std::vector{p}, seeded};
  for (std::uint64_t i = 0; i < 3; ++i) whole.step(std::vector{numbers({7}, i)});
  DPSGD resumed{std::vector{q}, seeded};
  {
    const NoGrad no_grad;
    Tensor(q).copy_(p);
  }
  resumed.load_state_dict(whole.state_dict());
  for (std::uint64_t i = 3; i < 6; ++i) {
    whole.step(std::vector{numbers({7}, i)});
    resumed.step(std::vector{numbers({7}, i)});
  }
  CHECK(same_bits(p, q));
  REQUIRE(resumed.releases().size() == 1);
  CHECK(resumed.releases()[0].steps == 6);

  DPSGDOptions secret = seeded;
  secret.seed.reset();
  DPSGD before{std::vector{parameter({7})}, secret}, after{std::vector{parameter({7})}, secret};
  CHECK(before.state_dict().size() == whole.state_dict().size() - 3);  // no generator, no step and momentum so far
  before.step(std::vector{numbers({7}, 1)});
  after.load_state_dict(before.state_dict());
  CHECK(after.releases()[0].steps == 1);

  check_contains(thrown([&] { after.load_state_dict(whole.state_dict()); }),
                 {"DPSGD: load_state_dict: the state was saved with a seed, and the optimiser is made without one"});
  NamedTensors state = before.state_dict();
  for (auto& [name, value] : state)
    if (name == "DPSGD.releases") value = tensor({{1.0, 0.5}}, {.dtype = float64});
  check_contains(thrown([&] { after.load_state_dict(state); }),
                 {"\"DPSGD.releases\" says 0.5 steps with a noise multiplier of 1"});
  state = before.state_dict();
  std::erase_if(state, [](const auto& entry) { return entry.first == "DPSGD.releases"; });
  check_contains(thrown([&] { after.load_state_dict(state); }), {"DPSGD: load_state_dict: missing \"DPSGD.releases\""});
  CHECK(after.releases()[0].steps == 1);
}

TEST_CASE("options out of range are refused") {
  const auto refusal = [](const DPSGDOptions& options) {
    return thrown([&] { DPSGD{std::vector{parameter({2})}, options}; });
  };
  CHECK(refusal({}) == "DPSGD: expected_batch_size is 0; it must be a finite number > 0");
  CHECK(refusal({.max_grad_norm = 0, .expected_batch_size = 1}) ==
        "DPSGD: max_grad_norm is 0; it must be a finite number > 0");
  CHECK(refusal({.noise_multiplier = -1, .expected_batch_size = 1}) ==
        "DPSGD: noise_multiplier is -1; it must be a finite number >= 0");
  CHECK(refusal({.nesterov = true, .expected_batch_size = 1}) == "DPSGD: nesterov needs momentum > 0, got 0");
}
