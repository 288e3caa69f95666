#include "gradus/ops/activation.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include "gradus/activations/builtin.hpp"
#include "gradus/autograd/observer.hpp"
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

// As many numbers as are worked on in one go, so that what is computed on the way stays in the first cache. Larger
// blocks get in the way there of what is read beside them.
template <class T>
constexpr Index block = 512 / sizeof(T);

// Derivatives f^(1), f^(2), f^(3) at the elements of an x. All the operations that a recorded backward pass makes of one
// activation want them again and again.
class Derivatives {
 public:
  bool has(int order) const { return kept_ && (*kept_)[std::size_t(order)].defined(); }
  /// Computed at the first time, for all copies of this.
  const Tensor& of(const Function& f, int order, const Tensor& x) {
    if (!kept_) kept_ = std::make_shared<std::array<Tensor, 5>>();
    Tensor& values = (*kept_)[std::size_t(order)];
    if (!values.defined()) {
      const Tensor fresh = Tensor::make(f.name().c_str(), x.shape(), x.dtype());
      dispatch_floating(f.name(), x.dtype(), [&]<class T> {
        parallel_for(x.numel(), grain, [&](Index first, Index last) {
          f.evaluate(order, x.data<T>() + first, fresh.data<T>() + first, last - first);
        });
      });
      values = fresh;
    }
    return values;
  }
  std::size_t bytes() const {
    std::size_t total = 0;
    for (int order = 1; order < 4; ++order)
      if (has(order)) total += (*kept_)[std::size_t(order)].impl()->storage->bytes();
    return total;
  }

 private:
  std::shared_ptr<std::array<Tensor, 5>> kept_;  // by order; of the fourth it is only asked whether it is there
};

// On the tape they go with the node that saved them.
class SavedDerivatives {
 public:
  SavedDerivatives(const Derivatives& derivatives, const Tensor& /*value*/) : derivatives_(derivatives) {}
  Derivatives& unpack(autograd::Node& /*node*/) const { return derivatives_; }
  void free() { derivatives_ = {}; }
  std::size_t bytes() const { return derivatives_.bytes(); }

 private:
  mutable Derivatives derivatives_;
};

}  // namespace

template <>
struct autograd::SavedAs<Derivatives> {
  using type = SavedDerivatives;
};

namespace {

// to = the product of the factors that are there, or to += it. One is, at least.
template <class T>
void multiply(std::array<const T*, 4> factors, T* to, bool add, Index n) {
  const auto there = std::remove(factors.begin(), factors.end(), nullptr);
  const auto each = [&](auto product) {
    if (add)
      for (Index i = 0; i < n; ++i) to[i] += product(i);
    else
      for (Index i = 0; i < n; ++i) to[i] = product(i);
  };
  const auto [u, v, w, z] = factors;
  switch (there - factors.begin()) {
    case 1:
      return each([u = u](Index i) { return u[i]; });
    case 2:
      return each([u = u, v = v](Index i) { return u[i] * v[i]; });
    case 3:
      return each([u = u, v = v, w = w](Index i) { return u[i] * v[i] * w[i]; });
    default:
      return each([u = u, v = v, w = w, z = z](Index i) { return u[i] * v[i] * w[i] * z[i]; });
  }
}

template <class T>
const T* at(const Tensor& x, Index i) {
  return x.defined() ? x.data<T>() + i : nullptr;
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
  const Tensor& array() const { return to_; }
  template <class T>
  void put(Index first, std::array<const T*, 4> factors, Index n) const {
    if (wanted()) multiply(factors, to_.data<T>() + first, adds_, n);
  }
  /// For the engine, which has the sum already.
  Tensor result() const { return adds_ ? Tensor{} : to_; }

 private:
  Tensor to_;
  bool adds_ = false;
};

// Gradients of x, a and b, given that of a b f^(order)(x), in one pass over them all.
Grads fused_gradients(const Function& f, int order, const Tensor& g, const Tensor& x, const Tensor& a, const Tensor& b,
                      Derivatives& known, const Step& step) {
  const char* name = f.name().c_str();
  const Gradient dx(name, x, 0, step), da(name, a, 1, step), db(name, b, 2, step);
  const Tensor value = a.defined() ? known.of(f, order, x) : Tensor{},
               slope = known.has(order + 1) ? known.of(f, order + 1, x) : Tensor{};
  dispatch_floating(name, x.dtype(), [&]<class T> {
    parallel_for(x.numel(), grain, [&](Index first, Index last) {
      if (!a.defined() && !slope.defined() && !dx.adds())
        return f.product(order + 1, at<T>(x, first), at<T>(g, first), dx.array().data<T>() + first, last - first);
      alignas(64) T slopes[block<T>];
      for (Index i = first; i < last; i += block<T>) {
        const Index n = std::min(block<T>, last - i);
        const T *pg = at<T>(g, i), *pa = at<T>(a, i), *pb = at<T>(b, i);
        if (dx.wanted() && !slope.defined()) {
          f.product(order + 1, at<T>(x, i), pg, slopes, n);
          dx.put<T>(i, {slopes, pa, pb, nullptr}, n);
        } else {
          dx.put<T>(i, {pg, at<T>(slope, i), pa, pb}, n);
        }
        da.put<T>(i, {pg, at<T>(value, i), pb, nullptr}, n);
        db.put<T>(i, {pg, at<T>(value, i), pa, nullptr}, n);
      }
    });
  });
  return a.defined() ? Grads{dx.result(), da.result(), db.result()} : Grads{dx.result()};
}

// a b f^(order)(x) with order 1, 2 or 3; b may be missing. The derivatives are of the same kind, so that second
// derivatives of networks take few passes over memory.
Tensor scaled_derivative(const Function& f, int order, const Tensor& x, const Tensor& a, const Tensor& b,
                         Derivatives& known) {
  const char* name = f.name().c_str();  // the rule holds f, so it lives as long as the node
  Tensor value = Tensor::make(name, x.shape(), x.dtype());
  const Tensor derivative = known.of(f, order, x);
  dispatch_floating(name, x.dtype(), [&]<class T> {
    parallel_for(x.numel(), grain, [&](Index i, Index last) {
      multiply<T>({at<T>(a, i), at<T>(derivative, i), at<T>(b, i), nullptr}, value.data<T>() + i, false, last - i);
    });
  });
  return record(name, std::move(value), {x, a, b}, saves(x, a, b, known),
                [f, order](const Tensor& g, const Tensor& v, const Tensor& s, const Tensor& t, Derivatives& kept,
                           const Step& step) {
                  if (!is_recording()) return fused_gradients(f, order, g, v, s, t, kept, step);
                  Grads grads(3);
                  if (step.needs(0))
                    grads[0] = t.defined() ? scaled_derivative(f, order + 1, v, g * s, t, kept)
                                           : scaled_derivative(f, order + 1, v, g, s, kept);
                  if (step.needs(1)) grads[1] = scaled_derivative(f, order, v, g, t, kept);
                  if (t.defined() && step.needs(2)) grads[2] = scaled_derivative(f, order, v, g, s, kept);
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

Tensor activate(const Function& f, const Tensor& x) {
  const char* name = f.name().c_str();
  check_floating(name, x);
  Tensor value = Tensor::make(name, x.shape(), x.dtype());
  dispatch_floating(name, x.dtype(), [&]<class T> {
    parallel_for(x.numel(), grain, [&](Index first, Index last) {
      f.evaluate(0, x.data<T>() + first, value.data<T>() + first, last - first);
    });
  });
  value = record(name, std::move(value), {x}, saves(x, Derivatives{}),
                 [f](const Tensor& g, const Tensor& v, Derivatives& known, const Step& step) {
                   if (!is_recording()) return fused_gradients(f, 0, g, v, {}, {}, known, step);
                   return Grads{scaled_derivative(f, 1, v, g, {}, known)};
                 });
  if (autograd::observers != nullptr) [[unlikely]]
    autograd::observe_activation(f, x, value);
  return value;
}

Tensor activation_gradient(const Function& f, const Tensor& x, const Tensor& g, int order) {
  check_floating("activation_gradient", x);
  check_same_dtype("activation_gradient", x, g);
  if (x.shape() != g.shape()) failf("activation_gradient", "x has shape {} and the gradient {}", x.shape(), g.shape());
  if (order < 1 || order > 3) failf("activation_gradient", "the order is {}; it can be 1, 2 or 3", order);
  Derivatives known;
  return scaled_derivative(f, order, x, g, {}, known);
}

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
