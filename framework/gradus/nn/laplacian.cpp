#include "gradus/nn/laplacian.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gradus/autograd/observer.hpp"
#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/jet.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/ops/activation.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::autograd {
namespace {

// The jet of a value of shape S is (coordinates + 1, S...): its derivatives along each, and its Laplacian.

// What f does, in its order. The tensors are held, so that no other takes the place of one in memory.
class Steps : public Observer {
 public:
  struct Step {
    const char* operation;
    Tensor value;
    std::vector<Tensor> inputs;
    std::uint32_t version;  // of the value's storage, when it was made
    std::optional<activations::Function> activation;
  };
  std::vector<Step> all;

  void ran(const char* operation, const Tensor& value, const Inputs& inputs, bool /*in_rule*/) override {
    Step step{operation, value, {}, value.impl()->storage->version(), {}};
    for (std::size_t i = 0; i < inputs.size(); ++i) step.inputs.push_back(inputs[i]);
    all.push_back(std::move(step));
  }
  void activated(const activations::Function& f, const Tensor& /*x*/, const Tensor& /*y*/) override {
    all.back().activation = f;
  }
  void arrives(const Node& /*node*/, const Tensor& /*gradient*/) override {
    fail("laplacian", "the function runs a backward pass, through which derivatives are not carried; use grad of grad");
  }
};

Tensor activate_jet(const activations::Function& f, const Tensor& z, const Tensor& jet) {
  const Index directions = jet.size(0) - 1;
  Tensor value = Tensor::make("activate_jet", jet.shape(), jet.dtype());
  dispatch_floating("activate_jet", z.dtype(), [&]<class T> {
    kernels::activate_jet(f, directions, z.numel(), z.data<T>(), jet.data<T>(), value.data<T>());
  });
  return record(
      "activate_jet", std::move(value), {z, jet}, saves(z, jet),
      [f, directions](const Tensor& g, const Tensor& v, const Tensor& j) {
        if (!is_recording()) {
          Tensor dz = Tensor::make("activate_jet", v.shape(), v.dtype()),
                 dj = Tensor::make("activate_jet", j.shape(), j.dtype());
          dispatch_floating("activate_jet", v.dtype(), [&]<class T> {
            kernels::activate_jet_backward(f, directions, v.numel(), v.data<T>(), j.data<T>(), g.data<T>(),
                                           dz.data<T>(), dj.data<T>());
          });
          return Grads{dz, dj};
        }
        std::vector<Tensor> up = unbind(g);
        const std::vector<Tensor> at = unbind(j);
        const Tensor &last = up.back(), curved = activation_gradient(f, v, last, 2);
        Tensor products = last * at.back(), squares = zeros(v.shape(), {.dtype = v.dtype()});
        std::vector<Tensor> dj;
        for (std::size_t i = 0; i + 1 < at.size(); ++i) {
          products = products + up[i] * at[i];
          squares = squares + square(at[i]);
          dj.push_back(activation_gradient(f, v, up[i]) + 2.0 * curved * at[i]);
        }
        dj.push_back(activation_gradient(f, v, last));
        return Grads{activation_gradient(f, v, products, 2) + activation_gradient(f, v, last * squares, 3), stack(dj)};
      });
}

// The derivatives of a b: a' b + a b', and of the Laplacian also 2 grad a . grad b.
Tensor multiply_jets(const Tensor& a, const Tensor& jet_a, const Tensor& b, const Tensor& jet_b) {
  const Index directions = jet_a.size(0) - 1;
  const Tensor cross =
      sum(jet_a.slice(0, 0, directions) * jet_b.slice(0, 0, directions), {.axes = {0}, .keepdim = true});
  Shape rest = jet_a.shape();
  rest[0] = directions;
  return jet_a * b + jet_b * a + cat({zeros(rest, {.dtype = a.dtype()}), 2.0 * cross});
}

// From the jets of a step's inputs, undefined where an input does not depend on x, that of its value. Undefined if that
// is not known.
Tensor jet_of(const Steps::Step& step, const std::vector<Tensor>& jets) {
  const std::string_view name = step.operation;
  const Tensor &value = step.value, &first = jets[0];
  const std::size_t count = jets.size();
  if (step.activation) return activate_jet(*step.activation, step.inputs[0], first);
  if (name == "linear")
    return jets[1].defined() || jets[2].defined() ? Tensor{} : nn::functional::linear(first, step.inputs[1]);
  Shape shape{first.defined() ? first.size(0) : jets.back().size(0)};
  for (const Index size : value.shape()) shape.push_back(size);
  if (name == "reshape")
    return value.dim() > 0 && value.size(0) == step.inputs[0].size(0) ? reshape(first, shape) : Tensor{};
  // Elementwise. A factor that is a number is not seen, and broadcasting would be a sum over other points.
  for (const Tensor& jet : jets)
    if (jet.defined() && jet.shape() != shape) return {};
  if (name == "neg" || (name == "sub" && count == 1)) return -first;
  if (name == "add" && count == 1) return first;
  if (count != 2) return {};
  const Tensor& second = jets[1];
  const bool both = first.defined() && second.defined();
  if (name == "add") return both ? first + second : first.defined() ? first : second;
  if (name == "sub") return both ? first - second : first.defined() ? first : -second;
  if (name != "mul") return {};
  if (both) return multiply_jets(step.inputs[0], first, step.inputs[1], second);
  return first.defined() ? first * step.inputs[1] : second * step.inputs[0];
}

}  // namespace

Laplacian laplacian(const UnaryFunction& f, const Tensor& x) {
  if (!f) fail("laplacian", "the function is empty");
  check_floating("laplacian", x);
  if (x.dim() != 2) failf("laplacian", "x has shape {}; it must be (N, coordinates)", x.shape());
  const Index points = x.size(0), coordinates = x.size(1);
  Tensor value;
  std::vector<Steps::Step> steps;
  {
    Steps seen;
    value = f(x);
    steps = std::move(seen.all);
  }
  if (!value.defined() || value.dim() == 0 || value.size(0) != points)
    failf("laplacian", "the function gave {} for {} points of shape {}; axis 0 must be that of the points",
          value.defined() ? fmt::format("shape {}", value.shape()) : "an undefined tensor", points, x.shape());

  // d x_i / d x_i = 1
  const Tensor unit = cat({eye(coordinates, {.dtype = x.dtype()}), zeros({1, coordinates}, {.dtype = x.dtype()})});
  std::unordered_map<const TensorImpl*, Tensor> jets;
  jets[x.impl()] = expand(unsqueeze(unit, 1), {coordinates + 1, points, coordinates});
  for (const Steps::Step& step : steps) {
    std::vector<Tensor> of_inputs;
    bool depends = false;
    for (const Tensor& input : step.inputs) {
      const auto found = input.defined() ? jets.find(input.impl()) : jets.end();
      of_inputs.push_back(found == jets.end() ? Tensor{} : found->second);
      depends = depends || found != jets.end();
    }
    if (!depends) continue;
    if (step.value.impl()->storage->version() != step.version)
      failf("laplacian", "the function changes the result of {} in place, and its derivatives cannot follow",
            step.operation);
    Tensor jet = jet_of(step, of_inputs);
    if (!jet.defined())
      failf("laplacian",
            "derivatives are not carried through {} with a result of shape {}; linear maps, activations, sums, and "
            "products "
            "with tensors are known. grad of grad knows all operations",
            step.operation, step.value.shape());
    jets[step.value.impl()] = std::move(jet);
  }
  const auto found = jets.find(value.impl());
  if (found == jets.end()) fail("laplacian", "what the function gave does not come from x by operations");
  return {value, found->second.slice(0, 0, coordinates), found->second[coordinates]};
}

}  // namespace gradus::autograd
