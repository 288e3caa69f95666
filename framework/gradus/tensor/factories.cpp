#include "gradus/tensor/factories.hpp"

#include <algorithm>
#include <cmath>

#include "gradus/core/format.hpp"
#include "gradus/kernels/elementwise.hpp"
#include "gradus/kernels/random.hpp"

namespace gradus {
namespace {

Tensor make(const char* operation, const Shape& shape, const TensorOptions& options, DType otherwise = float32) {
  return Tensor::make(operation, shape, options.dtype.value_or(otherwise));
}

Tensor finish(Tensor tensor, const TensorOptions& options) {
  if (options.requires_grad) tensor.requires_grad_();
  return tensor;
}

Tensor filled(const char* operation, const Shape& shape, double value, const TensorOptions& options) {
  Tensor tensor = make(operation, shape, options);
  dispatch(tensor.dtype(), [&]<class T> {
    kernels::fill(tensor.data<T>(), kernels::number_as<T>(operation, value), tensor.numel());
  });
  return finish(std::move(tensor), options);
}

Generator::Draw next_draw(const TensorOptions& options) {
  return (options.generator != nullptr ? *options.generator : default_generator()).next();
}

}  // namespace

Tensor empty(const Shape& shape, const TensorOptions& options) { return finish(make("empty", shape, options), options); }
Tensor full(const Shape& shape, double value, const TensorOptions& options) { return filled("full", shape, value, options); }
Tensor zeros(const Shape& shape, const TensorOptions& options) { return filled("zeros", shape, 0, options); }
Tensor ones(const Shape& shape, const TensorOptions& options) { return filled("ones", shape, 1, options); }
Tensor full_like(const Tensor& x, double value) { return full(x.shape(), value, {.dtype = x.dtype()}); }
Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), {.dtype = x.dtype()}); }
Tensor ones_like(const Tensor& x) { return ones(x.shape(), {.dtype = x.dtype()}); }
Tensor empty_like(const Tensor& x) { return empty(x.shape(), {.dtype = x.dtype()}); }

Tensor eye(Index n, const TensorOptions& options) {
  Tensor tensor = filled("eye", {n, n}, 0, {.dtype = options.dtype});
  dispatch(tensor.dtype(), [&]<class T> {
    for (Index i = 0; i < n; ++i) tensor.data<T>()[i * n + i] = T(1);
  });
  return finish(std::move(tensor), options);
}

Tensor linspace(double start, double stop, Index count, const TensorOptions& options) {
  Tensor tensor = make("linspace", {count}, options);
  dispatch_floating("linspace", tensor.dtype(), [&]<class T> {
    // A weighted mean of the ends: both ends, a middle at 0 and whole numbers are exact. Where it overflows, lerp does not.
    const double steps = double(std::max<Index>(count - 1, 1));
    for (Index i = 0; i < count; ++i) {
      const double mean = (start * (steps - double(i)) + stop * double(i)) / steps;
      tensor.data<T>()[i] = T(std::isfinite(mean) ? mean : std::lerp(start, stop, double(i) / steps));
    }
  });
  return finish(std::move(tensor), options);
}

Tensor detail::arange(double start, double stop, double step, DType otherwise, const TensorOptions& options) {
  if (!(std::isfinite(start) && std::isfinite(stop) && std::isfinite(step)) || step == 0)
    failf("arange", "from {} to {} in steps of {} has no end", start, stop, step);
  const double count = std::max(0.0, std::ceil((stop - start) / step));
  if (count > 1e15) failf("arange", "from {} to {} in steps of {} has too many elements", start, stop, step);
  Tensor tensor = make("arange", {Index(count)}, options, otherwise);
  dispatch(tensor.dtype(), [&]<class T> {
    if constexpr (std::is_integral_v<T>) kernels::number_as<T>("arange", start), kernels::number_as<T>("arange", step);
    kernels::ramp(tensor.data<T>(), start, step, tensor.numel());
  });
  return finish(std::move(tensor), options);
}

namespace {

Tensor from_numbers(const std::vector<double>& values, const Shape& shape, const TensorOptions& options) {
  Tensor tensor = make("tensor", shape, options);
  dispatch(tensor.dtype(), [&]<class T> {
    for (std::size_t i = 0; i < values.size(); ++i) tensor.data<T>()[i] = kernels::number_as<T>("tensor", values[i]);
  });
  return finish(std::move(tensor), options);
}

void check_rows(std::size_t first, std::size_t other) {
  if (first != other) failf("tensor", "rows have {} and {} elements; all must have the same number", first, other);
}

}  // namespace

Tensor tensor(double value, const TensorOptions& options) { return from_numbers({value}, {}, options); }

Tensor tensor(std::initializer_list<double> values, const TensorOptions& options) {
  return from_numbers(values, {Index(values.size())}, options);
}

Tensor tensor(std::initializer_list<std::initializer_list<double>> rows, const TensorOptions& options) {
  std::vector<double> values;
  for (const auto& row : rows) {
    check_rows(rows.begin()->size(), row.size());
    values.insert(values.end(), row);
  }
  return from_numbers(values, {Index(rows.size()), rows.size() == 0 ? 0 : Index(rows.begin()->size())}, options);
}

Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<double>>> blocks, const TensorOptions& options) {
  std::vector<double> values;
  Shape shape{Index(blocks.size()), 0, 0};
  for (const auto& block : blocks) {
    check_rows(blocks.begin()->size(), block.size());
    shape[1] = Index(block.size());
    for (const auto& row : block) {
      check_rows(blocks.begin()->begin()->size(), row.size());
      shape[2] = Index(row.size());
      values.insert(values.end(), row);
    }
  }
  return from_numbers(values, shape, options);
}

template <class T> Tensor from_vector(const std::vector<T>& values, const Shape& shape) {
  Tensor tensor = Tensor::make("from_vector", shape, dtype_of<T>);
  if (tensor.numel() != Index(values.size()))
    failf("from_vector", "{} values do not fill a tensor of shape {}", values.size(), shape);
  kernels::copy(values.data(), tensor.data<T>(), tensor.numel());
  return tensor;
}
template Tensor from_vector(const std::vector<float>&, const Shape&);
template Tensor from_vector(const std::vector<double>&, const Shape&);
template Tensor from_vector(const std::vector<std::int64_t>&, const Shape&);

template <class T> std::vector<T> to_vector(const Tensor& x) {
  const T* values = x.data<T>();
  return std::vector<T>(values, values + x.numel());
}
template std::vector<float> to_vector(const Tensor&);
template std::vector<double> to_vector(const Tensor&);
template std::vector<std::int64_t> to_vector(const Tensor&);

Tensor uniform(const Shape& shape, double low, double high, const TensorOptions& options) {
  if (!(low <= high) || !std::isfinite(high - low)) failf("uniform", "no numbers lie between {} and {}", low, high);
  Tensor tensor = make("uniform", shape, options);
  dispatch_floating("uniform", tensor.dtype(), [&]<class T> {
    if (!std::isfinite(T(high) - T(low)))
      failf("uniform", "the width of [{}, {}) is beyond {}", low, high, tensor.dtype());
    kernels::uniform<T>(next_draw(options), T(low), T(high), tensor.data<T>(), tensor.numel());
  });
  return finish(std::move(tensor), options);
}

Tensor normal(const Shape& shape, double mean, double deviation, const TensorOptions& options) {
  if (!(deviation >= 0)) failf("normal", "a standard deviation of {} is negative", deviation);
  Tensor tensor = make("normal", shape, options);
  dispatch_floating("normal", tensor.dtype(), [&]<class T> {
    kernels::normal<T>(next_draw(options), T(mean), T(deviation), tensor.data<T>(), tensor.numel());
  });
  return finish(std::move(tensor), options);
}

Tensor rand(const Shape& shape, const TensorOptions& options) { return uniform(shape, 0, 1, options); }
Tensor randn(const Shape& shape, const TensorOptions& options) { return normal(shape, 0, 1, options); }
Tensor rand_like(const Tensor& x) { return rand(x.shape(), {.dtype = x.dtype()}); }
Tensor randn_like(const Tensor& x) { return randn(x.shape(), {.dtype = x.dtype()}); }

Tensor randint(Index low, Index high, const Shape& shape, const TensorOptions& options) {
  if (low >= high) failf("randint", "no whole number lies in [{}, {})", low, high);
  Tensor tensor = Tensor::make("randint", shape, int64);
  kernels::integers(next_draw(options), low, high, tensor.data<std::int64_t>(), tensor.numel());
  const DType wanted = options.dtype.value_or(int64);
  if (wanted != int64) {
    Tensor converted = Tensor::make("randint", shape, wanted);
    dispatch(wanted, [&]<class T> { kernels::convert(tensor.data<std::int64_t>(), converted.data<T>(), tensor.numel()); });
    tensor = converted;
  }
  return finish(std::move(tensor), options);
}

Tensor bernoulli(const Tensor& probability, Generator* generator) {
  Tensor tensor = Tensor::make("bernoulli", probability.shape(), probability.dtype());
  dispatch_floating("bernoulli", tensor.dtype(), [&]<class T> {
    const T* p = probability.data<T>();
    for (Index i = 0; i < probability.numel(); ++i)
      if (!(p[i] >= 0 && p[i] <= 1)) failf("bernoulli", "{} is no probability", p[i]);
    kernels::bernoulli<T>(next_draw({.generator = generator}), p, 1, tensor.data<T>(), tensor.numel());
  });
  return tensor;
}

Tensor bernoulli(const Shape& shape, double probability, const TensorOptions& options) {
  if (!(probability >= 0 && probability <= 1)) failf("bernoulli", "{} is no probability", probability);
  Tensor tensor = make("bernoulli", shape, options);
  dispatch_floating("bernoulli", tensor.dtype(), [&]<class T> {
    const T p = T(probability);
    kernels::bernoulli<T>(next_draw(options), &p, 0, tensor.data<T>(), tensor.numel());
  });
  return finish(std::move(tensor), options);
}

Tensor randperm(Index n, const TensorOptions& options) {
  Tensor tensor = Tensor::make("randperm", {n}, int64);
  kernels::permutation(next_draw(options), tensor.data<std::int64_t>(), n);
  const DType wanted = options.dtype.value_or(int64);
  if (wanted == int64) return tensor;
  Tensor converted = Tensor::make("randperm", {n}, wanted);
  dispatch(wanted, [&]<class T> { kernels::convert(tensor.data<std::int64_t>(), converted.data<T>(), n); });
  return converted;
}

}  // namespace gradus
