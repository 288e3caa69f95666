#include "gradus/nn/per_sample.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <typeinfo>
#include <unordered_map>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/observer.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/conv.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/call_observer.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/embedding.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/group_norm.hpp"
#include "gradus/nn/layer_norm.hpp"
#include "gradus/nn/rms_norm.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::autograd {
namespace {

// What a parameter does in a layer.
enum class Role {
  linear_weight,
  linear_bias,
  conv_weight,
  channel_bias,
  row_scale,
  row_shift,
  channel_scale,
  embedding
};

// One use of a parameter: a layer's input x, its output y, on the tape. For scales, x is what they multiply.
struct Use {
  std::size_t parameter;
  Role role;
  Tensor x, y;
  nn::Conv2dLayerOptions conv = {};
  std::optional<Index> padding_idx = {};
};

Shape with_samples(Index n, const Shape& shape) {
  Shape result{n};
  for (const Index size : shape) result.push_back(size);
  return result;
}

// x (N, places..., width) as (N, places, width)
Tensor as_places(const Tensor& x) {
  const Shape& s = x.shape();
  return x.reshape({s[0], s.product(1, s.size() - 1), s.back()});
}

// x (N, channels, places...) as (N, channels, places)
Tensor as_channels(const Tensor& x) {
  const Shape& s = x.shape();
  return x.reshape({s[0], s[1], s.product(2, s.size())});
}

kernels::Conv2d conv_of_one(const Use& use, const Shape& weight) {
  const nn::Conv2dLayerOptions& o = use.conv;
  return {.batch = 1,
          .channels = use.x.shape()[1],
          .height = use.x.shape()[2],
          .width = use.x.shape()[3],
          .filters = weight[0],
          .kernel_h = weight[2],
          .kernel_w = weight[3],
          .stride_h = o.stride.height,
          .stride_w = o.stride.width,
          .padding_h = o.padding.height,
          .padding_w = o.padding.width,
          .dilation_h = o.dilation.height,
          .dilation_w = o.dilation.width,
          .groups = o.groups,
          .out_h = use.y.shape()[2],
          .out_w = use.y.shape()[3]};
}

// The gradients (N, shape...) of a parameter of that shape, from the gradient g of use.y.
Tensor materialise(const Use& use, const Shape& shape, const Tensor& g) {
  const Index n = g.shape()[0];
  switch (use.role) {
    case Role::linear_weight:
      return matmul(as_places(g), as_places(use.x), {.transpose_a = true});
    case Role::linear_bias:
      return as_places(g).sum({.axes = {1}});
    case Role::channel_bias:
      return as_channels(g).sum({.axes = {2}});
    case Role::channel_scale:
      return as_channels(g * use.x).sum({.axes = {2}});
    case Role::row_shift:
    case Role::row_scale: {
      const Tensor product = use.role == Role::row_scale ? g * use.x : g;
      const Index width = shape.numel();
      return product.reshape({n, product.shape().product(1, product.shape().size() - shape.size()), width})
          .sum({.axes = {1}})
          .reshape(with_samples(n, shape));
    }
    case Role::conv_weight: {
      const kernels::Conv2d one = conv_of_one(use, shape);
      const Tensor result = zeros(with_samples(n, shape), {.dtype = g.dtype()});
      const Index from = one.channels * one.plane(), out = one.filters * one.out_plane();
      dispatch_floating("per_sample_gradients", g.dtype(), [&]<class T> {
        for (Index i = 0; i < n; ++i)
          kernels::conv2d_weight_grad(one, g.data<T>() + i * out, use.x.data<T>() + i * from,
                                      result.data<T>() + i * shape.numel());
      });
      return result;
    }
    case Role::embedding: {
      const Tensor result = zeros(with_samples(n, shape), {.dtype = g.dtype()});
      const Index places = n == 0 ? 0 : use.x.numel() / n, width = shape[1];
      const std::int64_t* tokens = use.x.data<std::int64_t>();
      dispatch_floating("per_sample_gradients", g.dtype(), [&]<class T> {
        for (Index i = 0; i < n * places; ++i) {
          if (use.padding_idx && tokens[i] == *use.padding_idx) continue;
          T* row = result.data<T>() + (i / places * shape[0] + tokens[i]) * width;
          for (Index j = 0; j < width; ++j) row[j] += g.data<T>()[i * width + j];
        }
      });
      return result;
    }
  }
  fail("per_sample_gradients", "the role of a parameter is none");
}

template <class T>
double dot(const T* a, const T* b, Index n) {
  double total = 0;
  for (Index i = 0; i < n; ++i) total += double(a[i]) * double(b[i]);
  return total;
}

double inner(const Tensor& a, const Tensor& b) {
  return dispatch_floating("per_sample_squared_norms", a.dtype(),
                           [&]<class T> { return dot(a.data<T>(), b.data<T>(), a.numel()); });
}

// |g^T x|^2 for x (places, in) and g (places, out): by the products of places with each other, or of the columns,
// whichever takes less memory.
double squared_norm_of_product(const Tensor& x, const Tensor& g) {
  const Index places = x.shape()[0];
  if (2 * places * places < x.shape()[1] * g.shape()[1])
    return inner(matmul(x, x, {.transpose_b = true}), matmul(g, g, {.transpose_b = true}));
  const Tensor product = matmul(g, x, {.transpose_a = true});
  return inner(product, product);
}

// The windows that the filters of a group see, of image i: (places, window).
Tensor unfold(const kernels::Conv2d& s, const Tensor& x, Index i, Index group) {
  const Tensor rows = zeros({s.out_plane(), s.window()}, {.dtype = x.dtype()});
  dispatch_floating("per_sample_squared_norms", x.dtype(), [&]<class T> {
    const T* image = x.data<T>() + (i * s.channels + group * s.group_channels()) * s.plane();
    T* out = rows.data<T>();
    for (Index oh = 0; oh < s.out_h; ++oh)
      for (Index ow = 0; ow < s.out_w; ++ow)
        for (Index c = 0; c < s.group_channels(); ++c)
          for (Index p = 0; p < s.kernel_h; ++p)
            for (Index q = 0; q < s.kernel_w; ++q, ++out) {
              const Index h = oh * s.stride_h - s.padding_h + p * s.dilation_h;
              const Index w = ow * s.stride_w - s.padding_w + q * s.dilation_w;
              if (h >= 0 && h < s.height && w >= 0 && w < s.width) *out = image[c * s.plane() + h * s.width + w];
            }
  });
  return rows;
}

void add_squared_rows(const Tensor& gradients, double* norms) {
  const Index n = gradients.shape()[0], size = n == 0 ? 0 : gradients.numel() / n;
  dispatch_floating("per_sample_squared_norms", gradients.dtype(), [&]<class T> {
    for (Index i = 0; i < n; ++i) norms[i] += dot(gradients.data<T>() + i * size, gradients.data<T>() + i * size, size);
  });
}

// Adds the squared norms of the gradients of a parameter that is used once.
void add_squared_norms(const Use& use, const Shape& shape, const Tensor& g, double* norms) {
  const Index n = g.shape()[0];
  switch (use.role) {
    case Role::linear_weight: {
      const Tensor x3 = as_places(use.x), g3 = as_places(g);
      for (Index i = 0; i < n; ++i) {
        const Tensor a = x3[i], b = g3[i];
        norms[i] += a.shape()[0] == 1 ? inner(a, a) * inner(b, b) : squared_norm_of_product(a, b);
      }
      return;
    }
    case Role::conv_weight: {
      const kernels::Conv2d one = conv_of_one(use, shape);
      const Index places = one.out_plane(), filters = one.group_filters();
      if (2 * places * places < filters * one.window()) {
        const Tensor g3 = as_channels(g);
        for (Index i = 0; i < n; ++i)
          for (Index group = 0; group < one.groups; ++group) {
            const Tensor windows = unfold(one, use.x, i, group);
            const Tensor slopes = g3[i].slice(0, group * filters, (group + 1) * filters);
            norms[i] +=
                inner(matmul(windows, windows, {.transpose_b = true}), matmul(slopes, slopes, {.transpose_a = true}));
          }
        return;
      }
      for (Index i = 0; i < n; ++i) {
        Use single = use;
        single.x = use.x.slice(0, i, i + 1);
        add_squared_rows(materialise(single, shape, g.slice(0, i, i + 1)), norms + i);
      }
      return;
    }
    case Role::embedding: {
      const Index places = n == 0 ? 0 : use.x.numel() / n, width = shape[1];
      const std::int64_t* tokens = use.x.data<std::int64_t>();
      dispatch_floating("per_sample_squared_norms", g.dtype(), [&]<class T> {
        for (Index i = 0; i < n; ++i)
          for (Index s = i * places; s < (i + 1) * places; ++s) {
            if (use.padding_idx && tokens[s] == *use.padding_idx) continue;
            for (Index t = i * places; t <= s; ++t)
              if (tokens[s] == tokens[t])
                norms[i] += (s == t ? 1 : 2) * dot(g.data<T>() + s * width, g.data<T>() + t * width, width);
          }
      });
      return;
    }
    default:
      add_squared_rows(materialise(use, shape, g), norms);
  }
}

// A class derived from a layer may do something else with its parameters.
template <class M>
const M* exactly(const nn::Module& module) {
  return typeid(module) == typeid(M) ? static_cast<const M*>(&module) : nullptr;
}

// Watches a forward pass, and notes how each parameter is used.
class Capture final : public Observer, public nn::CallObserver {
 public:
  Capture(const char* operation, const NamedTensors& parameters, Index samples)
      : operation_(operation), parameters_(parameters), samples_(samples), strangers_(parameters.size()) {
    for (std::size_t i = 0; i < parameters.size(); ++i) places_.emplace(parameters[i].second.impl(), i);
  }

  void ran(const char* operation, const Tensor& value, const Inputs& inputs, bool in_rule) override {
    if (in_rule) return;
    const std::string_view name = operation;
    if (name == "batch_norm")
      fail(operation_, "the model uses batch_norm, which mixes the samples; a sample has no gradient of its own there");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::size_t* p = find(inputs[i]);
      if (p == nullptr) continue;
      if (in_loss) failf(operation_, "the loss uses the parameter {}; only the model may", parameters_[*p].first);
      if (name == "linear" && i > 0)
        add(inputs[i], {*p, i == 1 ? Role::linear_weight : Role::linear_bias, inputs[0].detach(), value}, 1);
      else
        strangers_[*p].emplace_back(operation);
    }
  }

  void on_call(nn::Module& /*module*/) override {}
  void on_return(nn::Module& module, const std::vector<Tensor>& inputs, const Tensor& y) override {
    if (inputs.size() != 1) return;
    const NoGrad no_grad;
    const Tensor& x = inputs[0];
    if (const auto* conv = exactly<nn::Conv2d>(module)) {
      layer(conv->weight, {0, Role::conv_weight, x.detach(), y, conv->options()});
      layer(conv->bias, {0, Role::channel_bias, {}, y});
    } else if (const auto* norm = exactly<nn::LayerNorm>(module)) {
      if (!trained(norm->weight) && !trained(norm->bias)) return;
      const Shape& shape = norm->normalized_shape();
      check_rows(x, shape);
      layer(norm->weight, {0, Role::row_scale, nn::functional::layer_norm(x, shape, {}, {}, norm->options().eps), y});
      layer(norm->bias, {0, Role::row_shift, {}, y});
    } else if (const auto* rms = exactly<nn::RMSNorm>(module)) {
      if (!trained(rms->weight)) return;
      check_rows(x, rms->normalized_shape());
      layer(rms->weight,
            {0, Role::row_scale, nn::functional::rms_norm(x, rms->normalized_shape(), {}, rms->options().eps), y});
    } else if (const auto* group = exactly<nn::GroupNorm>(module)) {
      if (!trained(group->weight) && !trained(group->bias)) return;
      layer(group->weight,
            {0, Role::channel_scale, nn::functional::group_norm(x, group->groups(), {}, {}, group->options().eps), y});
      layer(group->bias, {0, Role::channel_bias, {}, y});
    } else if (const auto* embedding = exactly<nn::Embedding>(module)) {
      layer(embedding->weight, {0, Role::embedding, x, y, {}, embedding->padding_idx()});
    }
  }

  // Every use must be one that a formula is known for.
  void check() const {
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      if (!strangers_[i].empty())
        failf(operation_,
              "the parameter {} (shape {}) is used by {}, outside of the layers that formulas are known for; pass "
              "{{.method = "
              "PerSampleMethod::loop}}",
              parameters_[i].first, parameters_[i].second.shape(), strangers_[i].front());
  }

  std::vector<Use> uses;
  bool in_loss = false;

 private:
  const std::size_t* find(const Tensor& x) const {
    if (!x.defined()) return nullptr;
    const auto found = places_.find(x.impl());
    return found == places_.end() ? nullptr : &found->second;
  }
  bool trained(const Tensor& x) const { return find(x) != nullptr; }

  // A layer has reported: the operation with which its parameter was used is no stranger.
  void layer(const Tensor& parameter, Use use) {
    const std::size_t* p = find(parameter);
    if (p == nullptr || strangers_[*p].empty()) return;
    strangers_[*p].pop_back();
    use.parameter = *p;
    add(parameter, std::move(use), 0);
  }

  void add(const Tensor& parameter, Use use, Index fewest_axes) {
    for (const Tensor& t : {use.x, use.y})
      if (t.defined() && (t.dim() <= fewest_axes || t.shape()[0] != samples_))
        failf(operation_,
              "the layer with the parameter {} (shape {}) sees a tensor of shape {}; axis 0 must count the {} samples",
              parameters_[use.parameter].first, parameter.shape(), t.shape(), samples_);
    uses.push_back(std::move(use));
  }

  void check_rows(const Tensor& x, const Shape& normalized) const {
    if (x.dim() <= Index(normalized.size()))
      failf(operation_, "a layer normalises all axes of its input of shape {}; axis 0 must count the samples",
            x.shape());
  }

  const char* operation_;
  const NamedTensors& parameters_;
  Index samples_;
  std::unordered_map<const TensorImpl*, std::size_t> places_;
  std::vector<std::vector<const char*>> strangers_;
};

void refuse_batch_norm(const char* operation, nn::Module& model) {
  struct Search final : nn::Visitor {
    explicit Search(const char* o) : operation(o) {}
    void on_module(const std::string& path, nn::Module& module) override {
      if (dynamic_cast<nn::BatchNorm*>(&module) != nullptr)
        failf(operation,
              "the model has a {}{}{}, which mixes the samples; a sample has no gradient of its own there. GroupNorm "
              "is the usual "
              "replacement",
              module.type_name(), path.empty() ? "" : " at ", path);
    }
    const char* operation;
  };
  Search search(operation);
  search.on_module("", model);
  model.visit(search);
}

NamedTensors trainable(nn::Module& model) {
  NamedTensors result;
  for (auto& [name, parameter] : model.named_parameters())
    if (parameter.requires_grad()) result.emplace_back(name, parameter);
  return result;
}

std::vector<Tensor> values(const NamedTensors& named) {
  std::vector<Tensor> result;
  for (const auto& [name, tensor] : named) result.push_back(tensor);
  return result;
}

void check_arguments(const char* operation, nn::Module& model, const BatchLoss& loss, const Tensor& x,
                     const Tensor& target, const PerSampleOptions& options) {
  if (!loss) fail(operation, "the loss is empty");
  if (options.reduction != nn::Reduction::mean && options.reduction != nn::Reduction::sum)
    fail(operation, "the reduction must be mean or sum, what the loss does with the samples");
  if (x.dim() == 0 || target.dim() == 0 || x.shape()[0] != target.shape()[0])
    failf(operation, "the input has shape {} and the target {}; axis 0 of both must count the samples", x.shape(),
          target.shape());
  refuse_batch_norm(operation, model);
}

Tensor checked_loss(const char* operation, const Tensor& loss) {
  if (!loss.defined() || loss.numel() != 1)
    failf(operation, "the loss must be a scalar, got {}",
          loss.defined() ? fmt::format("shape {}", loss.shape()) : "an undefined tensor");
  return loss;
}

// A forward pass with all that is needed to go back sample by sample.
struct Recorded {
  NamedTensors parameters;
  std::vector<Use> uses;
  Tensor output;
  Tensor slopes;  // row n: the gradient of sample n's loss with respect to row n of the output

  std::vector<Tensor> gradients_of_uses() const {
    std::vector<Tensor> outputs;
    for (const Use& use : uses) outputs.push_back(use.y);
    return grad(output, outputs, {.grad_output = slopes, .retain_graph = true, .allow_unused = true});
  }
  Index samples() const { return output.shape()[0]; }
};

Recorded run(const char* operation, nn::Module& model, const BatchLoss& loss, const Tensor& x, const Tensor& target,
             const PerSampleOptions& options) {
  const EnableGrad recording;
  Recorded r;
  r.parameters = trainable(model);
  const Index n = x.shape()[0];
  Capture capture(operation, r.parameters, n);
  r.output = model(x);
  if (r.output.dim() == 0 || r.output.shape()[0] != n)
    failf(operation, "the model gave shape {} for {} samples; axis 0 must count them", r.output.shape(), n);
  capture.check();
  if (!r.output.requires_grad()) fail(operation, "the model's output depends on no parameter that requires a gradient");
  capture.in_loss = true;
  const Tensor leaf = r.output.detach().requires_grad_();
  const Tensor value = checked_loss(operation, loss(leaf, target));
  r.slopes =
      value.requires_grad() ? grad(value, leaf, {.allow_unused = true}) : zeros(leaf.shape(), {.dtype = leaf.dtype()});
  if (options.reduction == nn::Reduction::mean) r.slopes.mul_(double(n));
  r.uses = std::move(capture.uses);
  return r;
}

// The gradients of all samples with respect to parameter p.
Tensor gathered(const Recorded& r, const std::vector<Tensor>& gradients, std::size_t p) {
  const Shape& shape = r.parameters[p].second.shape();
  Tensor total;
  for (std::size_t i = 0; i < r.uses.size(); ++i) {
    if (r.uses[i].parameter != p) continue;
    const Tensor part = materialise(r.uses[i], shape, gradients[i]);
    total = total.defined() ? total + part : part;
  }
  return total.defined() ? total : zeros(with_samples(r.samples(), shape), {.dtype = r.parameters[p].second.dtype()});
}

NamedTensors looped(const char* operation, nn::Module& model, const BatchLoss& loss, const Tensor& x,
                    const Tensor& target) {
  const EnableGrad recording;
  const NamedTensors parameters = trainable(model);
  const Index n = x.shape()[0];
  NamedTensors result;
  for (const auto& [name, p] : parameters)
    result.emplace_back(name, zeros(with_samples(n, p.shape()), {.dtype = p.dtype()}));
  for (Index i = 0; i < n; ++i) {
    const Tensor value = checked_loss(operation, loss(model(x.slice(0, i, i + 1)), target.slice(0, i, i + 1)));
    const std::vector<Tensor> gradients = grad(value, values(parameters), {.allow_unused = true});
    for (std::size_t p = 0; p < gradients.size(); ++p)
      dispatch_floating(operation, gradients[p].dtype(), [&]<class T> {
        const T* from = gradients[p].data<T>();
        std::copy(from, from + gradients[p].numel(), result[p].second.data<T>() + i * gradients[p].numel());
      });
  }
  return result;
}

Tensor squared_norms(const Recorded& r) {
  const NoGrad no_grad;
  const std::vector<Tensor> gradients = r.gradients_of_uses();
  Tensor norms = zeros({r.samples()}, {.dtype = float64});
  std::vector<std::vector<std::size_t>> uses_of(r.parameters.size());
  for (std::size_t i = 0; i < r.uses.size(); ++i) uses_of[r.uses[i].parameter].push_back(i);
  for (std::size_t p = 0; p < uses_of.size(); ++p) {
    // Gradients of several uses add up before the norm is taken.
    if (uses_of[p].size() == 1)
      add_squared_norms(r.uses[uses_of[p][0]], r.parameters[p].second.shape(), gradients[uses_of[p][0]],
                        norms.data<double>());
    else if (!uses_of[p].empty())
      add_squared_rows(gathered(r, gradients, p), norms.data<double>());
  }
  return norms;
}

}  // namespace

NamedTensors per_sample_gradients(nn::Module& model, const BatchLoss& loss, const Tensor& x, const Tensor& target,
                                  const PerSampleOptions& options) {
  constexpr const char* operation = "per_sample_gradients";
  check_arguments(operation, model, loss, x, target, options);
  if (options.method == PerSampleMethod::loop || x.shape()[0] == 0) return looped(operation, model, loss, x, target);
  const Recorded r = run(operation, model, loss, x, target, options);
  const NoGrad no_grad;
  const std::vector<Tensor> gradients = r.gradients_of_uses();
  NamedTensors result;
  for (std::size_t p = 0; p < r.parameters.size(); ++p)
    result.emplace_back(r.parameters[p].first, gathered(r, gradients, p));
  return result;
}

Tensor per_sample_squared_norms(nn::Module& model, const BatchLoss& loss, const Tensor& x, const Tensor& target,
                                const PerSampleOptions& options) {
  constexpr const char* operation = "per_sample_squared_norms";
  check_arguments(operation, model, loss, x, target, options);
  if (options.method == PerSampleMethod::formulas && x.shape()[0] > 0)
    return squared_norms(run(operation, model, loss, x, target, options));
  Tensor norms = zeros({x.shape()[0]}, {.dtype = float64});
  for (const auto& [name, gradients] : looped(operation, model, loss, x, target))
    add_squared_rows(gradients, norms.data<double>());
  return norms;
}

ClippedGradients clipped_gradients(nn::Module& model, const BatchLoss& loss, const Tensor& x, const Tensor& target,
                                   double max_norm, const PerSampleOptions& options) {
  constexpr const char* operation = "clipped_gradients";
  check_arguments(operation, model, loss, x, target, options);
  if (!(max_norm > 0)) failf(operation, "a max_norm of {}; it must be positive", max_norm);
  const Index n = x.shape()[0];
  const auto factor = [&](double norm, Index i) {
    if (!std::isfinite(norm)) failf(operation, "the gradient of sample {} has the norm {}", i, norm);
    return norm > max_norm ? max_norm / norm : 1.0;
  };
  ClippedGradients result;
  if (options.method == PerSampleMethod::loop || n == 0) {
    result.gradients = looped(operation, model, loss, x, target);
    result.norms = zeros({n}, {.dtype = float64});
    for (const auto& [name, gradients] : result.gradients) add_squared_rows(gradients, result.norms.data<double>());
    result.norms = sqrt(result.norms);
    for (auto& [name, gradients] : result.gradients) {
      Shape shape;
      for (std::size_t axis = 1; axis < gradients.shape().size(); ++axis) shape.push_back(gradients.shape()[axis]);
      Tensor total = zeros(shape, {.dtype = gradients.dtype()});
      for (Index i = 0; i < n; ++i) total.add_(gradients[i], factor(result.norms.data<double>()[i], i));
      gradients = total;
    }
    return result;
  }
  const Recorded r = run(operation, model, loss, x, target, options);
  const NoGrad no_grad;
  result.norms = sqrt(squared_norms(r));
  Shape column(r.output.shape());
  for (std::size_t axis = 1; axis < column.size(); ++axis) column[axis] = 1;
  Tensor factors = zeros(column, {.dtype = float64});
  for (Index i = 0; i < n; ++i) factors.data<double>()[i] = factor(result.norms.data<double>()[i], i);
  const std::vector<Tensor> sums = grad(r.output, values(r.parameters),
                                        {.grad_output = r.slopes * factors.to(r.slopes.dtype()), .allow_unused = true});
  for (std::size_t p = 0; p < sums.size(); ++p) result.gradients.emplace_back(r.parameters[p].first, sums[p]);
  return result;
}

}  // namespace gradus::autograd
