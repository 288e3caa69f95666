#pragma once
// Functions that make tensors. The type is float32 unless options.dtype says otherwise.
#include <concepts>
#include <initializer_list>
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus {

Tensor empty(const Shape& shape, const TensorOptions& options = {});  ///< numbers not initialised
Tensor full(const Shape& shape, double value, const TensorOptions& options = {});
Tensor zeros(const Shape& shape, const TensorOptions& options = {});
Tensor ones(const Shape& shape, const TensorOptions& options = {});
Tensor full_like(const Tensor& x, double value);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
Tensor empty_like(const Tensor& x);
/// The n x n identity.
Tensor eye(Index n, const TensorOptions& options = {});
/// `count` numbers from start to stop, both included.
Tensor linspace(double start, double stop, Index count, const TensorOptions& options = {});

namespace detail {
Tensor arange(double start, double stop, double step, DType otherwise, const TensorOptions& options);
}
/// start, start + step, ... below stop (above it for a negative step). int64 when all arguments are integers, as in PyTorch.
template <class A, class B, class C>
  requires std::is_arithmetic_v<A> && std::is_arithmetic_v<B> && std::is_arithmetic_v<C>
Tensor arange(A start, B stop, C step, const TensorOptions& options = {}) {
  constexpr bool whole = std::is_integral_v<A> && std::is_integral_v<B> && std::is_integral_v<C>;
  return detail::arange(double(start), double(stop), double(step), whole ? int64 : float32, options);
}
template <class A, class B>
  requires std::is_arithmetic_v<A> && std::is_arithmetic_v<B>
Tensor arange(A start, B stop, const TensorOptions& options = {}) {
  return arange(start, stop, 1, options);
}
template <class A>
  requires std::is_arithmetic_v<A>
Tensor arange(A stop, const TensorOptions& options = {}) {
  return arange(0, stop, 1, options);
}

/// The numbers given: tensor(3.0), tensor({1, 2, 3}), tensor({{1, 2}, {3, 4}}), ... Rows of unequal length throw.
Tensor tensor(double value, const TensorOptions& options = {});
Tensor tensor(std::initializer_list<double> values, const TensorOptions& options = {});
Tensor tensor(std::initializer_list<std::initializer_list<double>> rows, const TensorOptions& options = {});
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<double>>> blocks,
              const TensorOptions& options = {});
/// A copy of the values under the given shape; the dtype is T's (float, double, std::int64_t).
template <class T> Tensor from_vector(const std::vector<T>& values, const Shape& shape);
template <class T> Tensor from_vector(const std::vector<T>& values) {
  return from_vector(values, Shape{static_cast<Index>(values.size())});
}
/// The elements, row-major.
template <class T> std::vector<T> to_vector(const Tensor& x);

// -- random numbers, from options.generator or the default one
/// Uniform in [0, 1).
Tensor rand(const Shape& shape, const TensorOptions& options = {});
/// Normal with mean 0 and variance 1.
Tensor randn(const Shape& shape, const TensorOptions& options = {});
Tensor rand_like(const Tensor& x);
Tensor randn_like(const Tensor& x);
/// Uniform in [low, high).
Tensor uniform(const Shape& shape, double low, double high, const TensorOptions& options = {});
Tensor normal(const Shape& shape, double mean, double deviation, const TensorOptions& options = {});
/// Whole numbers in [low, high); int64 unless options.dtype says otherwise.
Tensor randint(Index low, Index high, const Shape& shape, const TensorOptions& options = {});
/// 1 with the probability that `probability` has at that place, else 0.
Tensor bernoulli(const Tensor& probability, Generator* generator = nullptr);
/// 1 with the given probability, else 0.
Tensor bernoulli(const Shape& shape, double probability, const TensorOptions& options = {});
/// 0 .. n-1 in random order, int64.
Tensor randperm(Index n, const TensorOptions& options = {});

}  // namespace gradus
