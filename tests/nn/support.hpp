#pragma once
// What the tests of differentiable functions share.
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/gradcheck.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::testing {

/// Normal numbers, float64, with a gradient wanted.
inline Tensor leaf(const Shape& shape, std::uint64_t seed = 1) {
  Generator generator(seed);
  return randn(shape, {.dtype = float64, .requires_grad = true, .generator = &generator});
}

inline Tensor normal_numbers(const Shape& shape, std::uint64_t seed = 1, DType dtype = float64) {
  Generator generator(seed);
  return randn(shape, {.dtype = dtype, .generator = &generator});
}

inline Tensor labels_of(const std::vector<std::int64_t>& values) { return from_vector(values); }

inline double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  if (a.numel() == 0) return 0;
  return (a.detach() - b.detach()).abs().max().item();
}

/// The gradient of a random projection of f, with the backward pass recorded or not.
inline std::vector<Tensor> gradients_of(const TensorFunction& f, const std::vector<Tensor>& inputs, bool recorded) {
  const Tensor y = f(inputs);
  const Tensor weights = normal_numbers(y.shape(), 99, y.dtype());
  std::vector<Tensor> wanted;
  for (const Tensor& x : inputs)
    if (x.defined() && x.requires_grad()) wanted.push_back(x);
  return grad(y, wanted, {.grad_output = weights, .create_graph = recorded, .allow_unused = true});
}

/// First and second derivatives against finite differences, and the two roads of the backward pass against each other.
inline void check_derivatives(const TensorFunction& f, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options = {}) {
  const GradcheckResult first = gradcheck(f, inputs, options), second = gradgradcheck(f, inputs, options);
  CHECK_MESSAGE(first.ok, first.message);
  CHECK_MESSAGE(second.ok, second.message);
  const std::vector<Tensor> fused = gradients_of(f, inputs, false), composed = gradients_of(f, inputs, true);
  REQUIRE(fused.size() == composed.size());
  for (std::size_t i = 0; i < fused.size(); ++i) {
    CAPTURE(i);
    CHECK(largest_difference(fused[i], composed[i]) < 1e-11);
  }
}

/// Values and gradients of f must be the same, to the bit, on one thread and on two.
inline void check_threads(const TensorFunction& f, const std::vector<Tensor>& inputs) {
  const int before = num_threads();
  const auto results = [&](int threads) {
    set_num_threads(threads);
    std::vector<Tensor> all = gradients_of(f, inputs, false);
    all.push_back(f(inputs).detach());
    return all;
  };
  const std::vector<Tensor> one = results(1), two = results(2);
  set_num_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) {
    CAPTURE(i);
    CHECK(allclose(one[i], two[i], {.rtol = 0, .atol = 0, .equal_nan = true}));
  }
}

/// The text of the Error that `call` throws.
inline std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

inline void check_error(const std::function<void()>& call, const std::vector<std::string>& parts) {
  const std::string text = error_of(call);
  for (const std::string& part : parts) {
    CAPTURE(text);
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

}  // namespace gradus::testing
