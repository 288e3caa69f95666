// Long chains: neither the walk nor the release may recurse, and nothing may leak.
#include <doctest/doctest.h>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/tape.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

using namespace gradus;

namespace {

// Bytes in use after `work` more than before.
template <class Work>
std::ptrdiff_t left_over(Work work) {
  const std::size_t before = memory::stats().in_use;
  work();
  return std::ptrdiff_t(memory::stats().in_use) - std::ptrdiff_t(before);
}

Tensor chain(Tensor y, int length) {
  for (int i = 0; i < length; ++i) y = y + 1.0;
  return y;
}

}  // namespace

TEST_CASE("a chain of a million additions neither overflows nor leaks") {
  CHECK(left_over([] {
          const Tensor x = tensor(0.5, {.dtype = float64, .requires_grad = true});
          const Tensor y = chain(x, 1'000'000);
          CHECK(y.item() == 1'000'000.5);
          y.backward();
          CHECK(x.grad().item() == 1);
        }) == 0);
}

TEST_CASE("a long chain that is dropped without a backward is released") {
  CHECK(left_over([] { (void)chain(ones({3}, {.requires_grad = true}), 300'000); }) == 0);
}

TEST_CASE("a long chain of operations that save their inputs, through the saved values") {
  CHECK(left_over([] {
          const Tensor x = tensor(1.0, {.dtype = float64, .requires_grad = true});
          Tensor y = x;
          for (int i = 0; i < 100'000; ++i) y = y * x;
          CHECK(grad(y, x).item() == doctest::Approx(100'001.0));
        }) == 0);
}

TEST_CASE("a recorded backward of a long chain is released as well") {
  CHECK(left_over([] {
          const Tensor x = tensor(1.0, {.dtype = float64, .requires_grad = true});
          Tensor y = x;
          for (int i = 0; i < 20'000; ++i) y = sin(y);
          const Tensor slope = grad(y, x, {.create_graph = true});
          CHECK(grad(slope, x).requires_grad() == false);
        }) == 0);
}

TEST_CASE("backward lets go of saved values as it passes") {
  const Tensor x = randn({256, 256}, {.requires_grad = true});
  Tensor y = x;
  for (int i = 0; i < 10; ++i) y = exp(y * 0.1);
  const Tensor out = y.sum();
  y = Tensor{};
  const std::size_t before = memory::stats().in_use;
  out.backward();
  CHECK(memory::stats().in_use + 8 * 256 * 256 * 4 < before);
  CHECK(autograd::tape_size(out) > 20);
}

TEST_CASE("a failing operation leaks nothing") {
  CHECK(left_over([] {
          const Tensor x = randn({4, 5}, {.requires_grad = true});
          CHECK_THROWS_AS(matmul(square(x), x + 1.0), Error);
          const Tensor y = square(x).sum();
          y.backward();
          CHECK_THROWS_AS(y.backward(), Error);
        }) == 0);
}
