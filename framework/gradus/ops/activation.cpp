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

// As many numbers as are worked on in one go, so that what is computed on the way stays in the first cache.
constexpr Index block = 1024;

// out = u v w, or out += u v w; u is always there.
template <class T>
void put(const Tensor& out, bool add, Index first, const T* u, const T* v, const T* w, Index n) {
  T* to = out.data<T>() + first;
  const auto each = [&](auto product) {
    if (add)
      for (Index i = 0; i < n; ++i) to[i] += product(i);
    else
      for (Index i = 0; i < n; ++i) to[i] = product(i);
  };
  if (v == nullptr) std::swap(v, w);
  if (v == nullptr)
    each([&](Index i) { return u[i]; });
  else if (w == nullptr)
    each([&](Index i) { return u[i] * v[i]; });
  else
    each([&](Index i) { return u[i] * v[i] * w[i]; });
}

// The gradient of an input: what has been added up of it so far, or a new array.
class Gradient {
 public:
  Gradient(const char* operation, const Tensor& input, std::size_t number, const Step& step) {
    if (!input.defined() || !step.needs(number)) return;
    const Tensor* sum = step.sum(number);
    adds_ = sum != nullptr;
    to_ = adds_ ? *sum : Tensor::make(operation, input.shape(), input.dtype());
  }
  bool wanted() const { return to_.defined(); }
  bool adds() const { return adds_; }
  template <class T>
  void put(Index first, const T* u, const T* v, const T* w, Index n) const {
    gradus::put(to_, adds_, first, u, v, w, n);
  }
  /// For the engine, which has the sum already.
  Tensor result() const { return adds_ ? Tensor{} : to_; }

 private:
  Tensor to_;
  bool adds_ = false;
};

// Gradients of x, a and b, given that of a b f^(order)(x), in one pass over them all.
Grads fused_gradients(const Function& f, int order, const Tensor& g, const Tensor& x, const Tensor& a, const Tensor& b,
                      const Step& step) {
  const char* name = f.name().c_str();
  const Gradient dx(name, x, 0, step), da(name, a, 1, step), db(name, b, 2, step);
  const bool plain = !a.defined() && !dx.adds();
  dispatch_floating(name, x.dtype(), [&]<class T> {
    const auto at = [](const Tensor& t, Index i) { return t.defined() ? t.data<T>() + i : nullptr; };
    parallel_for(x.numel(), grain, [&](Index first, Index last) {
      if (plain) return f.product(order + 1, at(x, first), at(g, first), at(dx.result(), first), last - first);
      alignas(64) T values[block], slopes[block];
      for (Index i = first; i < last; i += block) {
        const Index n = std::min(block, last - i);
        const T *pg = at(g, i), *pa = at(a, i), *pb = at(b, i);
        if (dx.wanted()) f.product(order + 1, at(x, i), pg, slopes, n);
        if (da.wanted() || db.wanted()) f.product(order, at(x, i), pg, values, n);
        if (dx.wanted()) dx.put(i, slopes, pa, pb, n);
        if (da.wanted()) da.put(i, values, pb, static_cast<const T*>(nullptr), n);
        if (db.wanted()) db.put(i, values, pa, static_cast<const T*>(nullptr), n);
      }
    });
  });
  return a.defined() ? Grads{dx.result(), da.result(), db.result()} : Grads{dx.result()};
}

// a b f^(order)(x), without the factors that are not there; b is not there without a. The derivatives are of the same
// kind, so second derivatives of networks take few passes over memory.
Tensor scaled_derivative(const Function& f, int order, const Tensor& x, const Tensor& a, const Tensor& b) {
  const char* name = f.name().c_str();  // the rule holds f, so it lives as long as the node
  check_floating(name, x);
  Tensor value = Tensor::make(name, x.shape(), x.dtype());
  dispatch_floating(name, x.dtype(), [&]<class T> {
    parallel_for(x.numel(), grain, [&](Index first, Index last) {
      if (!a.defined()) return f.evaluate(order, x.data<T>() + first, value.data<T>() + first, last - first);
      f.product(order, x.data<T>() + first, a.data<T>() + first, value.data<T>() + first, last - first);
      if (b.defined())
        for (Index i = first; i < last; ++i) value.data<T>()[i] *= b.data<T>()[i];
    });
  });
  if (!a.defined())
    return record(name, std::move(value), {x}, saves(x),
                  [f, order](const Tensor& g, const Tensor& v, const Step& step) {
                    if (!is_recording()) return fused_gradients(f, order, g, v, {}, {}, step);
                    return Grads{scaled_derivative(f, order + 1, v, g, {})};
                  });
  return record(name, std::move(value), {x, a, b}, saves(x, a, b),
                [f, order](const Tensor& g, const Tensor& v, const Tensor& s, const Tensor& t, const Step& step) {
                  if (!is_recording()) return fused_gradients(f, order, g, v, s, t, step);
                  Grads grads(3);
                  if (step.needs(0))
                    grads[0] = t.defined() ? scaled_derivative(f, order + 1, v, g * s, t)
                                           : scaled_derivative(f, order + 1, v, g, s);
                  if (step.needs(1)) grads[1] = scaled_derivative(f, order, v, g, t);
                  if (t.defined() && step.needs(2)) grads[2] = scaled_derivative(f, order, v, g, s);
                  return grads;
                });
}

// A built-in activation with its default parameters is made once.
template <class A>
const Function& shared() {
  static const Function function = activations::make_function(A{});
  return function;
}

}  // namespace

Tensor activate(const Function& f, const Tensor& x) { return scaled_derivative(f, 0, x, {}, {}); }

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
