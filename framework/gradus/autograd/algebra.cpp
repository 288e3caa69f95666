#include "gradus/autograd/algebra.hpp"

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/elementwise.hpp"
#include "gradus/kernels/movement.hpp"
#include "gradus/kernels/reduce.hpp"

namespace gradus {

using autograd::Grads;
using autograd::record;

Tensor add(const Tensor& a, const Tensor& b) {
  check_same_dtype("add", a, b);
  const Shape shape = broadcast_shapes("add", a.shape(), b.shape());
  Tensor value = Tensor::make("add", shape, a.dtype());
  dispatch(a.dtype(), [&]<class T> {
    kernels::binary(kernels::BinaryOp::add, a.data<T>(), a.shape(), b.data<T>(), b.shape(), value.data<T>(), shape);
  });
  return record("add", std::move(value), {a, b}, [](const Tensor& g) { return Grads{g, g}; });
}

// Repeated axes come in runs; each run is summed as the middle of (outer, n, inner).
Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  if (!broadcasts_to(shape, x.shape())) failf("sum_to", "shape {} does not broadcast to {}", shape, x.shape());
  Tensor value = x.detach();
  const std::size_t missing = x.shape().size() - shape.size();
  for (std::size_t last = x.shape().size(); last > 0;) {
    const auto repeated = [&](std::size_t axis) {
      return axis < missing || (shape[axis - missing] == 1 && x.shape()[axis] != 1);
    };
    if (!repeated(last - 1)) {
      --last;
      continue;
    }
    std::size_t first = last - 1;
    while (first > 0 && repeated(first - 1)) --first;
    Shape reduced = value.shape();
    for (std::size_t axis = first; axis < last; ++axis) reduced[axis] = 1;
    Tensor sum = Tensor::make("sum_to", reduced, x.dtype());
    dispatch(x.dtype(), [&]<class T> {
      kernels::reduce(kernels::ReduceOp::sum, value.data<T>(), sum.data<T>(), value.shape().product(0, first),
                      value.shape().product(first, last), value.shape().product(last, value.shape().size()));
    });
    value = sum;
    last = first;
  }
  return record("sum_to", value.alias(shape), {x},
                [from = x.shape()](const Tensor& g) { return Grads{expand(g, from)}; });
}

Tensor expand(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  if (!broadcasts_to(x.shape(), shape)) failf("expand", "shape {} does not broadcast to {}", x.shape(), shape);
  Tensor value = Tensor::make("expand", shape, x.dtype());
  dispatch(x.dtype(), [&]<class T> { kernels::expand(x.data<T>(), x.shape(), value.data<T>(), shape); });
  return record("expand", std::move(value), {x}, [from = x.shape()](const Tensor& g) { return Grads{sum_to(g, from)}; });
}

}  // namespace gradus
