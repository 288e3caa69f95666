#pragma once
// Per-sample gradients beside a loop over single samples.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/generator.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/nn/module.hpp"
#include "gradus/nn/per_sample.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

namespace per_sample_tests {

using namespace gradus;
using autograd::BatchLoss;
using autograd::PerSampleMethod;
using autograd::PerSampleOptions;

inline Tensor numbers(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return randn(shape, {.dtype = float64, .generator = &generator});
}

inline Tensor labels(const Shape& shape, Index classes, Index step = 1) {
  Tensor result = zeros(shape, {.dtype = int64});
  for (Index i = 0; i < result.numel(); ++i) result.data<std::int64_t>()[i] = i * step % classes;
  return result;
}

inline BatchLoss cross_entropy(nn::Reduction reduction) {
  return [reduction](const Tensor& output, const Tensor& target) {
    return nn::cross_entropy(output, target, {.reduction = reduction});
  };
}

inline BatchLoss mse(nn::Reduction reduction) {
  return [reduction](const Tensor& output, const Tensor& target) {
    return nn::mse_loss(output, target, {.reduction = reduction});
  };
}

inline double furthest(const Tensor& a, const Tensor& b) {
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
inline void check_against_loop(nn::Module& model, BatchLoss (*loss)(nn::Reduction), const Tensor& x, const Tensor& y) {
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

}  // namespace per_sample_tests
