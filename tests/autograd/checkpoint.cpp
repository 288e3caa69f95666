#include "gradus/autograd/checkpoint.hpp"

#include <doctest/doctest.h>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "same_bits.hpp"
#include "thrown.hpp"

using namespace gradus;
using autograd::checkpoint;

namespace {

using Tensors = std::vector<Tensor>;

Tensor numbers(const Shape& shape, std::uint64_t seed, bool wanted = false) {
  Generator generator(seed);
  return randn(shape, {.requires_grad = wanted, .generator = &generator});
}

void check_same(const Tensors& a, const Tensors& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(same_bits(a[i], b[i]));
}

// A piece of a network with parameters and dropout.
struct Block {
  nn::Linear first{7, 13}, second{13, 7};
  nn::Dropout dropout{0.5};
  Tensor operator()(const Tensor& x) { return second(dropout(gelu(first(x)))) + x; }
  Tensors parameters() const { return {first.weight, first.bias, second.weight, second.bias}; }
};

}  // namespace

TEST_CASE("checkpoint gives the gradients of inputs and parameters to the bit, with dropout inside") {
  manual_seed(3);
  Block block;
  const Tensor x = numbers({5, 7}, 1, true);
  Tensors targets = block.parameters();
  targets.push_back(x);
  const auto run = [&](bool save) {
    manual_seed(17);
    const Tensor h = tanh(x);
    const Tensor y = save ? checkpoint([&](const Tensor& t) { return block(t); }, h) : block(h);
    const Tensor after = rand({2});  // what is drawn later is not repeated
    Tensors all = grad(sum(y * y * after.slice(0, 0, 1)), targets);
    all.push_back(y.detach());
    all.push_back(rand({4}));
    nn::Dropout later(0.5);
    all.push_back(later(ones({64})));
    return all;
  };
  check_same(run(true), run(false));
}

TEST_CASE("checkpoint adds to grad() through backward, and finds tensors that are results themselves") {
  const Tensor w = numbers({3, 3}, 2, true), x = numbers({2, 3}, 3, true);
  const auto run = [&](bool save) {
    w.zero_grad();
    x.zero_grad();
    const Tensor doubled = w * 2.0;
    const auto f = [&](const Tensors& in) { return matmul(sin(in[0]), doubled) * in[1] + in[0]; };
    const Tensor scale = numbers({3}, 4);
    const Tensor y = save ? checkpoint(f, {x, scale}) : f({x, scale});
    sum(y * y).backward();
    return Tensors{w.grad().clone(), x.grad().clone()};
  };
  check_same(run(true), run(false));
  CHECK(w.is_leaf());
}

TEST_CASE("checkpoint finds a tensor that is only taken apart") {
  const Tensor w = numbers({4, 3}, 12, true), x = numbers({3}, 13, true);
  const auto run = [&](bool save) {
    const auto f = [&](const Tensor& t) {
      const Tensors rows = unbind(w, 0), halves = split(w, {2, 2});
      return rows[0] * rows[3] * t + sum(halves[0] * halves[1]);
    };
    return grad(sum(square(save ? checkpoint(f, x) : f(x))), {w, x});
  };
  check_same(run(true), run(false));
}

TEST_CASE("checkpoints may be nested") {
  Block outer, inner;
  const Tensor x = numbers({4, 7}, 5, true);
  Tensors targets = outer.parameters();
  for (const Tensor& p : inner.parameters()) targets.push_back(p);
  targets.push_back(x);
  const auto run = [&](bool save) {
    manual_seed(23);
    const auto in = [&](const Tensor& t) { return inner(outer.first(t).slice(1, 0, 7)) + t; };
    const auto out = [&](const Tensor& t) {
      const Tensor h = outer(t);
      return outer(save ? checkpoint(in, h) : in(h));
    };
    return grad(sum(square(save ? checkpoint(out, x) : out(x))), targets);
  };
  check_same(run(true), run(false));
}

TEST_CASE("a deep chain in checkpoints needs less memory") {
  const int pieces = 10, layers = 10;
  const Tensor x = numbers({128, 256}, 6, true);  // 128 KiB for each saved value
  Tensors gradients;
  const auto peak = [&](bool save) {
    const std::size_t before = memory::stats().in_use;
    memory::reset_peak();
    const auto piece = [&](const Tensor& t) {
      Tensor h = t;
      for (int i = 0; i < layers; ++i) h = sin(h);
      return h;
    };
    Tensor h = x;
    for (int i = 0; i < pieces; ++i) h = save ? checkpoint(piece, h) : piece(h);
    gradients.push_back(grad(sum(h), x));
    return memory::stats().peak_in_use - before;
  };
  const std::size_t plain = peak(false), saved = peak(true);
  MESSAGE("peak: ", plain / 1024, " KiB without, ", saved / 1024, " KiB with checkpoints");
  CHECK(plain > 100 * 128 * 1024);
  // The inputs of 10 pieces, the 10 values of one of them, and temporaries
  CHECK(saved < 32 * 128 * 1024);
  CHECK(same_bits(gradients[0], gradients[1]));
}

TEST_CASE("checkpoint leaves nothing behind, used or dropped") {
  manual_seed(0);
  const std::size_t before = memory::stats().in_use;
  {
    Block block;
    const Tensor x = numbers({5, 7}, 1, true);
    for (int i = 0; i < 2; ++i) {
      const Tensor y = checkpoint([&](const Tensor& t) { return block(t); }, x);
      if (i == 0) y.sum().backward();
    }
  }
  CHECK(memory::stats().in_use == before);
}

TEST_CASE("checkpoint without anything to differentiate, or without recording, is the function") {
  const Tensor x = numbers({3}, 7);
  const auto f = [](const Tensor& t) { return t * 2.0; };
  CHECK_FALSE(checkpoint(f, x).requires_grad());
  const Tensor w = numbers({3}, 8, true);
  {
    const NoGrad no_grad;
    CHECK_FALSE(checkpoint([&](const Tensor& t) { return t * w; }, x).requires_grad());
  }
  // No inputs at all, and a function that gives back what it was given or keeps
  CHECK(same_bits(grad(sum(checkpoint([&](const Tensors&) { return w * w; }, Tensors{})), w), w * 2.0));
  CHECK(same_bits(grad(sum(checkpoint([](const Tensor& t) { return t; }, w)), w), ones({3})));
  CHECK(same_bits(grad(sum(checkpoint([&](const Tensor&) { return w; }, x)), w), ones({3})));
  CHECK(w.is_leaf());
}

TEST_CASE("a function that throws in backward leaves parameters and generators as they were") {
  const Tensor w = numbers({3}, 9, true);
  bool broken = false;
  const Tensor y = checkpoint(
      [&](const Tensors&) {
        const Tensor noise = rand({3});
        if (broken) fail("block", "broken");
        return w * noise;
      },
      Tensors{});
  broken = true;
  const auto node = w.node();
  const auto state = default_generator().state();
  CHECK(thrown([&] { sum(y).backward(); }) == "block: broken");
  CHECK(w.node() == node);
  CHECK(default_generator().state().draws == state.draws);
  CHECK(same_bits(grad(sum(w), w), ones({3})));
}

TEST_CASE("misuse of checkpoint is answered") {
  const Tensor x = numbers({3}, 10, true), w = numbers({3}, 11, true);
  const auto f = [&](const Tensor& t) { return t * t * w; };
  CHECK(thrown([&] { (void)grad(sum(checkpoint(f, x)), x, {.create_graph = true}); }) ==
        "checkpoint: the backward pass is recorded (create_graph), but a checkpoint has first derivatives only; call "
        "the function "
        "without it");
  CHECK(thrown([&] { (void)checkpoint(std::function<Tensor(const Tensor&)>{}, x); }) ==
        "checkpoint: the function is empty");
  CHECK(thrown([&] { (void)checkpoint([](const Tensor&) { return Tensor{}; }, x); }) ==
        "checkpoint: the function gave an undefined tensor");
  const Tensor changed = checkpoint(f, x);
  {
    const NoGrad no_grad;
    Tensor(w).add_(ones({3}));
  }
  CHECK(thrown([&] {
          (void)grad(sum(changed), x);
        }).find("backward: a value that checkpoint (shape (3)) saved was changed") == 0);
  int calls = 0;
  const Tensor moody = checkpoint([&](const Tensor& t) { return ++calls == 1 ? t * 2.0 : sum(t); }, x);
  CHECK(thrown([&] { (void)grad(sum(moody), x); }) ==
        "checkpoint: the function gave float32 (3) in forward but float32 () in backward; it must do the same at both "
        "calls");
  const Tensor twice = sum(checkpoint(f, x));
  (void)grad(twice, x);
  CHECK(thrown([&] { (void)grad(twice, x); }).find("backward: the tape was freed by an earlier backward") == 0);
}
