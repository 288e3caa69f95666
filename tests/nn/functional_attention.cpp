#include <cmath>

#include "gradus/nn/functional.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;

namespace {

// Element by element from the definition.
Tensor naive(const Tensor& qkv, Index heads, bool causal) {
  const Index batch = qkv.size(0), length = qkv.size(1), width = qkv.size(2) / 3, d = width / heads;
  const std::vector<double> x = to_vector<double>(qkv);
  const auto in = [&](Index n, Index place, Index part, Index h, Index c) {
    return x[std::size_t(((n * length + place) * 3 + part) * width + h * d + c)];
  };
  std::vector<double> y(std::size_t(batch * length * width));
  for (Index n = 0; n < batch; ++n)
    for (Index h = 0; h < heads; ++h)
      for (Index i = 0; i < length; ++i) {
        const Index seen = causal ? i + 1 : length;
        std::vector<double> weights(static_cast<std::size_t>(seen));
        double total = 0;
        for (Index j = 0; j < seen; ++j) {
          double score = 0;
          for (Index c = 0; c < d; ++c) score += in(n, i, 0, h, c) * in(n, j, 1, h, c);
          total += weights[std::size_t(j)] = std::exp(score / std::sqrt(double(d)));
        }
        for (Index j = 0; j < seen; ++j)
          for (Index c = 0; c < d; ++c)
            y[std::size_t((n * length + i) * width + h * d + c)] += weights[std::size_t(j)] / total * in(n, j, 2, h, c);
      }
  return from_vector(y, {batch, length, width});
}

}  // namespace

// Lengths on both sides of the strips in which the kernel works.
TEST_CASE("self_attention weights values by the softmax of scores") {
  for (const Index length : {1, 2, 17, 64, 65, 131})
    for (const Index heads : {1, 3})
      for (const bool causal : {false, true}) {
        CAPTURE(length);
        CAPTURE(heads);
        CAPTURE(causal);
        const Tensor x = normal_numbers({2, length, 3 * heads * 5});
        const Tensor expected = naive(x, heads, causal);
        CHECK(largest_difference(F::self_attention(x, heads, {.causal = causal}), expected) < 1e-13);
        CHECK(largest_difference(F::self_attention(x.to(float32), heads, {.causal = causal}).to(float64), expected) <
              1e-5);
      }
  CHECK(F::self_attention(zeros({0, 3, 6}), 2).shape() == Shape{0, 3, 2});
  CHECK(F::self_attention(zeros({2, 0, 6}), 1).shape() == Shape{2, 0, 2});
}

TEST_CASE("self_attention has derivatives of any order, on both roads") {
  for (const bool causal : {false, true}) {
    const auto attention = [causal](const std::vector<Tensor>& in) {
      return F::self_attention(in[0], 2, {.causal = causal});
    };
    check_derivatives(attention, {leaf({2, 3, 12})});
    check_derivatives(attention, {leaf({1, 1, 6})});
  }
}

TEST_CASE("self_attention's fused gradient is the composed one for several strips") {
  for (const bool causal : {false, true}) {
    const Tensor x = leaf({2, 130, 18}), g = normal_numbers({2, 130, 6}, 2);
    const Tensor y = F::self_attention(x, 3, {.causal = causal});
    const Tensor fused = grad(y, x, {.grad_output = g, .retain_graph = true});
    const Tensor composed = grad(y, x, {.grad_output = g, .create_graph = true});
    CHECK(largest_difference(fused, composed) < 1e-12);
  }
}

TEST_CASE("self_attention stays finite where the exponentials would not") {
  for (const DType dtype : {float32, float64}) {
    const Tensor x = (normal_numbers({1, 9, 6}, 1, dtype) * 1e4).detach().requires_grad_();
    const Tensor y = F::self_attention(x, 1, {.causal = true});
    y.sum().backward();
    CHECK(std::isfinite(y.sum().item()));
    CHECK(std::isfinite(x.grad().sum().item()));
  }
}

TEST_CASE("self_attention does not depend on the number of threads") {
  check_threads([](const std::vector<Tensor>& in) { return F::self_attention(in[0], 4, {.causal = true}); },
                {leaf({3, 97, 48})});
}

TEST_CASE("self_attention says what does not fit") {
  check_error([] { (void)F::self_attention(zeros({2, 3}), 1); }, {"self_attention", "(2, 3)", "side by side"});
  check_error([] { (void)F::self_attention(zeros({2, 3, 12}), 3); }, {"self_attention", "(2, 3, 12)", "3 heads"});
  check_error([] { (void)F::self_attention(zeros({2, 3, 12}), 0); }, {"self_attention", "0 heads"});
  check_error([] { (void)F::self_attention(zeros({2, 3, 12}, {.dtype = int64}), 1); }, {"self_attention", "int64"});
}
