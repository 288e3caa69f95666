#include "gradus/autograd/gradcheck.hpp"

#include <cmath>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/random.hpp"

namespace gradus {
namespace {

using Tensors = std::vector<Tensor>;
using Function = std::function<Tensors(const Tensors&)>;

Tensor random_like(const Tensor& x, Generator& generator) {
  Tensor result = Tensor::make("gradcheck", x.shape(), float64);
  kernels::normal<double>(generator.next(), 0, 1, result.data<double>(), result.numel());
  return result;
}

double inner(const Tensor& a, const Tensor& b) {
  double total = 0;
  for (Index i = 0; i < a.numel(); ++i) total += a.data<double>()[i] * b.data<double>()[i];
  return total;
}

double inner(const Tensors& a, const Tensors& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += inner(a[i], b[i]);
  return total;
}

double magnitude(const Tensors& a, const Tensors& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (Index j = 0; j < a[i].numel(); ++j) total += std::abs(a[i].data<double>()[j] * b[i].data<double>()[j]);
  return total;
}

void check_inputs(const char* operation, const Tensors& inputs) {
  bool any = false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    any = true;
    if (inputs[i].dtype() != float64)
      failf(operation, "input {} is {}; finite differences need float64", i, inputs[i].dtype());
  }
  if (!any) failf(operation, "none of the {} inputs requires a gradient", inputs.size());
}

// Fresh leaves with the same numbers, so that nothing of the caller's tape is touched.
Tensors leaves(const Tensors& inputs) {
  Tensors result;
  for (const Tensor& input : inputs) {
    Tensor leaf = input.detach().clone();
    if (input.requires_grad()) leaf.requires_grad_();
    result.push_back(leaf);
  }
  return result;
}

Tensors moved(const Tensors& inputs, std::size_t which, const Tensor& direction, double step) {
  Tensors result = leaves(inputs);
  const NoGrad no_grad;
  result[which].add_(direction, step);
  return result;
}

// The recursion has one level: `f` is either the user's function or its gradient, both maps from tensors to tensors.
GradcheckResult check(const Function& f, const Tensors& inputs, const GradcheckOptions& options, const char* what) {
  Generator generator = Generator(options.seed).split("gradcheck");
  const Tensors points = leaves(inputs);
  Tensors wanted;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (points[i].requires_grad()) {
      wanted.push_back(points[i]);
      places.push_back(i);
    }
  const Tensors outputs = f(points);
  Tensors weights, roots, root_weights;
  for (const Tensor& output : outputs) {
    if (output.dtype() != float64)
      failf("gradcheck", "the function gives {}; it must compute in float64", output.dtype());
    weights.push_back(random_like(output, generator));
    if (output.requires_grad()) {
      roots.push_back(output);
      root_weights.push_back(weights.back());
    }
  }
  Tensors analytic;
  if (roots.empty()) {
    for (const Tensor& input : wanted) analytic.push_back(Tensor::make("gradcheck", input.shape(), float64).zero_());
  } else {
    analytic = autograd::gradients(roots, root_weights, wanted, {.allow_unused = true});
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (int d = 0; d < options.directions; ++d) {
      const Tensor direction = random_like(wanted[i], generator);
      const Tensors above = f(moved(points, places[i], direction, options.eps));
      const Tensors below = f(moved(points, places[i], direction, -options.eps));
      const double numerical = (inner(weights, above) - inner(weights, below)) / (2 * options.eps);
      const double received = inner(analytic[i], direction);
      // Rounding of f itself, magnified by the division, is not the derivative's fault.
      const double rounding = 4 * 2.2e-16 * magnitude(weights, outputs) / options.eps;
      const double allowed = options.atol + rounding + options.rtol * std::max(std::abs(numerical), magnitude({analytic[i]}, {direction}));
      if (!(std::abs(numerical - received) <= allowed))
        return {false, fmt::format("{}: input {} of shape {}, direction {}: expected {:.10g} (central difference, eps {:g}), received "
                                   "{:.10g}, difference {:.3g} where {:.3g} is allowed, seed {}",
                                   what, places[i], wanted[i].shape(), d, numerical, options.eps, received,
                                   std::abs(numerical - received), allowed, options.seed)};
    }
  }
  return {};
}

}  // namespace

GradcheckResult gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  check_inputs("gradcheck", inputs);
  const EnableGrad recording;
  return check([&f](const Tensors& x) { return Tensors{f(x)}; }, inputs, options, "gradcheck");
}

GradcheckResult gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  check_inputs("gradgradcheck", inputs);
  const EnableGrad recording;
  // The gradient also depends on the weights of the outputs; they join the inputs, as the last one.
  Generator generator = Generator(options.seed).split("gradgradcheck");
  Tensors extended = leaves(inputs);
  extended.push_back(random_like(f(extended), generator).requires_grad_());
  const Function gradient = [&f](const Tensors& x) {
    const Tensors own(x.begin(), x.end() - 1);
    Tensors wanted;
    for (const Tensor& input : own)
      if (input.requires_grad()) wanted.push_back(input);
    const Tensor y = f(own);
    if (!y.requires_grad()) {
      Tensors zeros;
      for (const Tensor& input : wanted) zeros.push_back(Tensor::make("gradcheck", input.shape(), float64).zero_());
      return zeros;
    }
    return autograd::gradients({y}, {x.back()}, wanted, {.create_graph = true, .allow_unused = true});
  };
  return check(gradient, extended, options, "gradgradcheck");
}

}  // namespace gradus
