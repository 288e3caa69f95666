#include "gradus/ops/softmax.hpp"

#include "gradus/autograd/record.hpp"
#include "gradus/kernels/softmax.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/ops/reduce.hpp"

namespace gradus {

using autograd::Grads;
using autograd::is_recording;
using autograd::output;
using autograd::record;
using autograd::saves;

namespace {

enum class Kind { softmax, log_softmax };

Tensor forward(const char* operation, Kind kind, const Tensor& x, std::size_t axis) {
  Tensor value = Tensor::make(operation, x.shape(), x.dtype());
  const Index outer = x.shape().product(0, axis), n = x.shape()[axis], inner = x.shape().product(axis + 1, x.shape().size());
  dispatch_floating(operation, x.dtype(), [&]<class T> {
    (kind == Kind::softmax ? kernels::softmax<T> : kernels::log_softmax<T>)(x.data<T>(), value.data<T>(), outer, n, inner);
  });
  return value;
}

Tensor backward(const char* operation, Kind kind, const Tensor& y, const Tensor& g, std::size_t axis) {
  Tensor value = Tensor::make(operation, y.shape(), y.dtype());
  const Index outer = y.shape().product(0, axis), n = y.shape()[axis], inner = y.shape().product(axis + 1, y.shape().size());
  dispatch_floating(operation, y.dtype(), [&]<class T> {
    (kind == Kind::softmax ? kernels::softmax_backward<T> : kernels::log_softmax_backward<T>)(y.data<T>(), g.data<T>(),
                                                                                              value.data<T>(), outer, n, inner);
  });
  return value;
}

}  // namespace

Tensor softmax(const Tensor& x, Index axis) {
  const std::size_t a = normalize_axis("softmax", axis, x.shape());
  check_floating("softmax", x);
  return record("softmax", forward("softmax", Kind::softmax, x, a), {x}, saves(output), [a](const Tensor& g, const Tensor& y) {
    // dx = y (g - sum(g y))
    if (!is_recording()) return Grads{backward("softmax", Kind::softmax, y, g, a)};
    return Grads{y * (g - sum(g * y, {.axes = {Index(a)}, .keepdim = true}))};
  });
}

Tensor log_softmax(const Tensor& x, Index axis) {
  const std::size_t a = normalize_axis("log_softmax", axis, x.shape());
  check_floating("log_softmax", x);
  return record("log_softmax", forward("log_softmax", Kind::log_softmax, x, a), {x}, saves(output),
                [a](const Tensor& g, const Tensor& y) {
                  // dx = g - exp(y) sum(g)
                  if (!is_recording()) return Grads{backward("log_softmax", Kind::log_softmax, y, g, a)};
                  return Grads{g - exp(y) * sum(g, {.axes = {Index(a)}, .keepdim = true})};
                });
}

}  // namespace gradus
