#include "gradus/ops/activation.hpp"

#include <algorithm>

#include "gradus/activations/builtin.hpp"
#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/ops/arithmetic.hpp"

namespace gradus {

using activations::Function;
using autograd::Grads;
using autograd::is_recording;
using autograd::record;
using autograd::saves;
using autograd::Step;

namespace {

// The smallest number of elements worth a second thread.
constexpr Index grain = 8192;

Tensor derivative(const Function& f, int order, const Tensor& x) {
  const char* name = f.name().c_str();
  check_floating(name, x);
  Tensor value = Tensor::make(name, x.shape(), x.dtype());
  dispatch_floating(name, x.dtype(), [&]<class T> {
    parallel_for(x.numel(), grain, [&](Index first, Index last) {
      f.evaluate(order, x.data<T>() + first, value.data<T>() + first, last - first);
    });
  });
  // The rule holds f, so its name lives as long as the node.
  return record(name, std::move(value), {x}, saves(x), [f, order](const Tensor& g, const Tensor& v) {
    if (is_recording()) return Grads{g * derivative(f, order + 1, v)};
    Tensor result = Tensor::make(f.name().c_str(), v.shape(), v.dtype());
    dispatch_floating(f.name(), v.dtype(), [&]<class T> {
      parallel_for(v.numel(), grain, [&](Index first, Index last) {
        f.product(order + 1, v.data<T>() + first, g.data<T>() + first, result.data<T>() + first, last - first);
      });
    });
    return Grads{result};
  });
}

// A built-in activation with its default parameters is made once.
template <class A>
const Function& shared() {
  static const Function function = activations::make_function(A{});
  return function;
}

}  // namespace

Tensor activate(const Function& f, const Tensor& x) { return derivative(f, 0, x); }

Tensor relu(const Tensor& x) { return activate(shared<activations::ReLU>(), x); }
Tensor selu(const Tensor& x) { return activate(shared<activations::SELU>(), x); }
Tensor gelu(const Tensor& x) { return activate(shared<activations::GELU>(), x); }
Tensor gelu_tanh(const Tensor& x) { return activate(shared<activations::GELUTanh>(), x); }
Tensor silu(const Tensor& x) { return activate(shared<activations::SiLU>(), x); }
Tensor mish(const Tensor& x) { return activate(shared<activations::Mish>(), x); }
Tensor softsign(const Tensor& x) { return activate(shared<activations::Softsign>(), x); }
Tensor tanh(const Tensor& x) { return activate(shared<activations::Tanh>(), x); }
Tensor sigmoid(const Tensor& x) { return activate(shared<activations::Sigmoid>(), x); }
Tensor hard_swish(const Tensor& x) { return activate(shared<activations::HardSwish>(), x); }
Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return activate(activations::make_function(activations::LeakyReLU{negative_slope}), x);
}
Tensor elu(const Tensor& x, double alpha) {
  return alpha == 1 ? activate(shared<activations::ELU>(), x)
                    : activate(activations::make_function(activations::ELU{alpha}), x);
}
Tensor celu(const Tensor& x, double alpha) { return activate(activations::make_function(activations::CELU{alpha}), x); }
Tensor softplus(const Tensor& x, double beta, double threshold) {
  return activate(activations::make_function(activations::Softplus{beta, threshold}), x);
}
Tensor softshrink(const Tensor& x, double lambda) {
  return activate(activations::make_function(activations::Softshrink{lambda}), x);
}

Tensor prelu(const Tensor& x, const Tensor& slope) {
  const Index channels = slope.numel();
  Tensor s;
  if (channels == 1) {
    s = slope.reshape(Shape{});  // also for an x without axes
  } else {
    const std::size_t axis = x.dim() >= 2 ? 1 : 0;
    if (x.dim() == 0 || x.shape()[axis] != channels)
      failf("prelu", "{} slopes for x of shape {}; one is needed, or one for each channel of axis {}", channels,
            x.shape(), axis);
    Shape shape = Shape::of(x.shape().size(), 1);
    shape[axis] = channels;
    s = slope.reshape(shape);
  }
  // min(x, 0), so that an infinite x > 0 is not multiplied with the 0 that comes back from the branch not taken.
  return where(x > 0.0, x, s * minimum(x, 0.0));
}

}  // namespace gradus
