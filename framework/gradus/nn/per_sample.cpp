#include "gradus/nn/per_sample.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <typeinfo>
#include <unordered_map>
#include <unordered_set>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/observer.hpp"
#include "gradus/core/format.hpp"
#include "gradus/nn/adaptive_elu.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/call_observer.hpp"
#include "gradus/nn/conv.hpp"
#include "gradus/nn/embedding.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/graph.hpp"
#include "gradus/nn/layer_norm.hpp"
#include "gradus/nn/per_sample_use.hpp"
#include "gradus/nn/recurrent.hpp"
#include "gradus/nn/rms_norm.hpp"
#include "gradus/nn/spectral_norm.hpp"
#include "gradus/nn/weight_norm.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::autograd {
namespace {

using detail::add_squared_norms;
using detail::add_squared_rows;
using detail::as_places;
using detail::materialise;
using detail::Role;
using detail::Use;
using detail::with_samples;

// Operations without tensors that an observer does not see: what they make of weights alone is a weight itself.
bool pure(std::string_view operation) {
  static const std::unordered_set<std::string_view> names = {
      "add",   "sub",    "mul",     "div",     "neg",    "pow",   "exp",     "expm1",    "log",        "log1p", "sqrt",
      "rsqrt", "square", "abs",     "sum",     "norm",   "tanh",  "sigmoid", "softplus", "reciprocal", "to",    "clone",
      "cat",   "matmul", "reshape", "permute", "expand", "slice", "select",  "split",    "unbind"};
  return names.contains(operation);
}

// The lengths g and directions v that a weight g v / |v| is made of, row by row, and which parameters these are.
struct Normed {
  Tensor v, g;
  std::optional<std::size_t> v_number, g_number;
};

// A parameter, a part of one, or what operations made of some.
struct Weight {
  Tensor tensor;
  std::vector<std::size_t> parameters;  // that it is made of, in rising order
  std::optional<Index> offset;          // of the first element of a part; none: not a part
  std::vector<const char*> strangers;   // operations that no formula is known for
  std::optional<Normed> normed = {};
};

// A class derived from a layer may do something else with its parameters.
template <class M>
const M* exactly(const nn::Module& module) {
  return typeid(module) == typeid(M) ? static_cast<const M*>(&module) : nullptr;
}

nn::Conv2dLayerOptions as_plane(const nn::Conv1dLayerOptions& o) {
  return {.stride = {1, o.stride}, .padding = {0, o.padding}, .dilation = {1, o.dilation}, .groups = o.groups};
}

// The options of the one convolution that the layer runs, if it is such a layer.
std::optional<nn::Conv2dLayerOptions> convolution(const nn::Module& module) {
  if (const auto* conv = exactly<nn::Conv2d>(module)) return conv->options();
  if (const auto* line = exactly<nn::Conv1d>(module)) return as_plane(line->options());
  if (const auto* wn = exactly<nn::WeightNorm<nn::Conv2d>>(module)) return wn->layer().options();
  if (const auto* wn1 = exactly<nn::WeightNorm<nn::Conv1d>>(module)) return as_plane(wn1->layer().options());
  if (const auto* sn = exactly<nn::SpectralNorm<nn::Conv2d>>(module)) return sn->layer().options();
  if (const auto* sn1 = exactly<nn::SpectralNorm<nn::Conv1d>>(module)) return as_plane(sn1->layer().options());
  if (const auto* back = exactly<nn::ConvTranspose2d>(module)) {
    const nn::ConvTranspose2dLayerOptions& o = back->options();
    return nn::Conv2dLayerOptions{.stride = o.stride, .padding = o.padding, .dilation = o.dilation, .groups = o.groups};
  }
  return std::nullopt;
}

// Watches a forward pass, and notes how each weight is used.
class Capture final : public Observer, public nn::CallObserver {
 public:
  Capture(const char* operation, nn::Module& model, const NamedTensors& parameters, const Tensor& x)
      : operation_(operation), parameters_(parameters), samples_(x.shape()[0]), x_on_tape_(x.requires_grad()) {
    for (std::size_t i = 0; i < parameters.size(); ++i) know({parameters[i].second, {i}, 0, {}});
    for (const auto& [name, tensor] : model.state_dict()) constant(tensor);
    find_time_first(model);
  }

  void ran(const char* operation, const Tensor& value, const Inputs& inputs, bool in_rule) override {
    if (in_rule || probing_) return;
    const std::string_view name = operation;
    if (name == "batch_norm" || name == "spmm")
      failf(operation_, "the model uses {}, which mixes the samples; a sample has no gradient of its own there", name);
    bool any = false, all = true;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].defined()) continue;
      if (const Weight* weight = find(inputs[i])) {
        any = true;
        if (in_loss)
          failf(operation_, "the loss uses the parameter {}; only the model may",
                parameters_[weight->parameters[0]].first);
      } else if (!constants_.contains(inputs[i].impl()->storage.get())) {
        all = false;
      }
    }
    if (!any && !all) return;
    const bool made_of_weights = all && inputs.size() > 0 && pure(name);
    if (!any || !value.requires_grad()) {  // no gradient flows here
      if (made_of_weights) constant(value);
      return;
    }
    if (made_of_weights) return derive(name, value, inputs);
    if (name == "conv2d" || name == "conv2d_input_grad") {
      Convolution conv{value, {}, name == "conv2d_input_grad"};
      for (std::size_t i = 0; i < inputs.size(); ++i) conv.inputs.push_back(inputs[i]);
      convolutions_.push_back(std::move(conv));
      return;
    }
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].defined() && find(inputs[i]) != nullptr) meet(operation, value, inputs, i);
  }

  void on_call(nn::Module& /*module*/) override { calls_.emplace_back(convolutions_.size(), uses.size()); }
  void on_return(nn::Module& module, const std::vector<Tensor>& inputs, const Tensor& y) override {
    const auto [before, uses_before] = calls_.back();
    calls_.pop_back();
    if (inputs.size() != 1) return;
    const NoGrad no_grad;
    const Tensor& x = inputs[0];
    if (const auto options = convolution(module); options && convolutions_.size() == before + 1) {
      const Convolution conv = std::move(convolutions_.back());
      convolutions_.pop_back();
      add_convolution(conv, *options);
      note_norm<nn::Conv1d>(module, uses_before);
      note_norm<nn::Conv2d>(module, uses_before);
    } else if (exactly<nn::WeightNorm<nn::Linear>>(module)) {
      note_norm<nn::Linear>(module, uses_before);
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
    } else if (const auto* embedding = exactly<nn::Embedding>(module)) {
      layer(embedding->weight,
            {.weight = 0, .role = Role::embedding, .x = x, .y = y, .padding_idx = embedding->padding_idx()});
    }
  }

  // Every use must be one that a formula is known for.
  void check(const Tensor& output) {
    for (const Convolution& conv : convolutions_)
      for (const Tensor& input : conv.inputs)
        if (input.defined())
          if (Weight* weight = find(input)) weight->strangers.emplace_back("conv2d");
    for (const Weight& weight : weights)
      if (!weight.strangers.empty()) {
        const auto& [name, parameter] = parameters_[weight.parameters[0]];
        failf(operation_,
              "the parameter {} (shape {}) is used by {}, outside of the layers that formulas are known for; pass "
              "{{.method = "
              "PerSampleMethod::loop}}",
              name, parameter.shape(), weight.strangers.front());
      }
    if (find(output) != nullptr) fail(operation_, "the model's output does not depend on its input");
  }

  std::vector<Weight> weights;  // the parameters first
  std::vector<Use> uses;
  bool in_loss = false;

 private:
  struct Convolution {
    Tensor value;
    std::vector<Tensor> inputs;
    bool transposed;
  };

  Weight* find(const Tensor& x) {
    if (!x.defined()) return nullptr;
    const auto found = known_.find(x.impl());
    return found == known_.end() ? nullptr : &weights[found->second];
  }
  std::size_t number(const Tensor& x) const { return known_.at(x.impl()); }
  bool trained(const Tensor& x) { return find(x) != nullptr; }

  void know(Weight weight) {
    known_.emplace(weight.tensor.impl(), weights.size());
    weights.push_back(std::move(weight));
  }
  // Kept, so that its address stays its own.
  void constant(const Tensor& x) {
    if (constants_.insert(x.impl()->storage.get()).second) kept_.push_back(x.detach());
  }

  // Layers over (T, N, in) are known by the weights that they give such inputs to.
  void find_time_first(nn::Module& model) {
    struct Search final : nn::Visitor {
      void on_module(const std::string& /*path*/, nn::Module& module) override {
        const auto* layers = dynamic_cast<nn::RecurrentLayers*>(&module);
        if (layers == nullptr || layers->batch_first()) return;
        for (const nn::RecurrentParameters& p : layers->layers) ++time_first[p.weight_ih.impl()];
      }
      void on_parameter(const std::string& path, Tensor& parameter) override {
        ++visits[parameter.impl()];
        names[parameter.impl()] = path;
      }
      std::unordered_map<const TensorImpl*, int> time_first, visits;
      std::unordered_map<const TensorImpl*, std::string> names;
    };
    Search search;
    search.on_module("", model);
    model.visit(search);
    for (const auto& [impl, count] : search.time_first) {
      if (search.visits[impl] != count)
        failf(operation_, "the parameter {} is tied between a recurrent layer over (T, N, ...) and another layer",
              search.names[impl]);
      time_first_.insert(impl->storage.get());
    }
  }

  // A part of a parameter or a function of some.
  void derive(std::string_view name, const Tensor& value, const Inputs& inputs) {
    Weight weight{value, {}, {}, {}};
    const Weight* only = nullptr;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (const Weight* from = find(inputs[i])) {
        weight.parameters.insert(weight.parameters.end(), from->parameters.begin(), from->parameters.end());
        only = from;
      }
    std::sort(weight.parameters.begin(), weight.parameters.end());
    weight.parameters.erase(std::unique(weight.parameters.begin(), weight.parameters.end()), weight.parameters.end());
    if (inputs.size() == 1 && only->offset) {
      if (name == "reshape") weight.offset = only->offset;
      if (name == "slice" || name == "select" || name == "split" || name == "unbind") weight.offset = place(weight);
    }
    know(std::move(weight));
  }

  // Where in its parameter a slice begins, if it is in one piece: its derivative has ones there.
  std::optional<Index> place(const Weight& part) {
    const Index count = part.tensor.numel();
    if (count == 0) return std::nullopt;
    probing_ = true;
    const Tensor ones_there =
        grad(part.tensor, parameters_[part.parameters[0]].second,
             {.grad_output = ones(part.tensor.shape(), {.dtype = part.tensor.dtype()}), .retain_graph = true});
    probing_ = false;
    const std::vector<double> marks = to_vector<double>(ones_there.to(float64));
    const auto first = std::find(marks.begin(), marks.end(), 1.0);
    const Index offset = Index(first - marks.begin());
    const bool whole = offset + count <= Index(marks.size()) &&
                       std::all_of(first, first + count, [](double mark) { return mark == 1.0; });
    return whole ? std::optional(offset) : std::nullopt;
  }

  // Input i of the operation is a weight, and another one is not.
  void meet(const char* operation, const Tensor& value, const Inputs& inputs, std::size_t i) {
    const std::string_view name = operation;
    const std::size_t w = number(inputs[i]);
    if (name == "linear" && i > 0) {
      Use use{w, i == 1 ? Role::linear_weight : Role::linear_bias, inputs[0].detach(), value};
      use.time_first = inputs[0].dim() == 3 && time_first_.contains(inputs[1].impl()->storage.get());
      return add(std::move(use), 1);
    }
    if (inputs.size() == 2 && (name == "add" || name == "sub" || name == "mul")) {
      const Tensor& other = inputs[1 - i];
      check_samples(w, other, 0);
      // What is not on the tape does not come from x, and may be as long as the batch by chance. Only what was made to
      // meet the samples, such as a scalar that was expanded, is taken as that.
      const bool of_samples = !x_on_tape_ || other.requires_grad() || !weights[w].offset;
      if (of_samples && other.dim() == value.dim()) {
        Use use{w, Role::elementwise, {}, value};
        if (name == "mul") use.x = other.detach();
        if (name == "sub" && i == 1) use.x = full({}, -1, {.dtype = value.dtype()});
        uses.push_back(std::move(use));
        return;
      }
    }
    weights[w].strangers.emplace_back(operation);
  }

  void add_convolution(const Convolution& conv, const nn::Conv2dLayerOptions& options) {
    Use use{0, Role::conv_weight, conv.inputs[0].detach(), conv.value, options, conv.transposed};
    if (find(conv.inputs[0]) != nullptr) find(conv.inputs[0])->strangers.emplace_back("conv2d");
    if (find(conv.inputs[1]) != nullptr) {
      use.weight = number(conv.inputs[1]);
      add(use, 0);
    }
    if (conv.inputs.size() < 3 || find(conv.inputs[2]) == nullptr) return;
    add({number(conv.inputs[2]), Role::channel_bias, {}, conv.value}, 0);
  }

  // The derivative of a normalised weight is known for all samples at once.
  template <class Layer>
  void note_norm(const nn::Module& module, std::size_t first_use) {
    const auto* norm = exactly<nn::WeightNorm<Layer>>(module);
    if (norm == nullptr) return;
    const auto number_of = [&](const Tensor& parameter) {
      const Weight* weight = find(parameter);
      return weight != nullptr ? std::optional(weight->parameters[0]) : std::nullopt;
    };
    for (std::size_t i = first_use; i < uses.size(); ++i)
      if (uses[i].role == Role::linear_weight || uses[i].role == Role::conv_weight)
        weights[uses[i].weight].normed = Normed{norm->weight_v.detach(), norm->weight_g.detach(),
                                                number_of(norm->weight_v), number_of(norm->weight_g)};
  }

  // A layer has reported: the operation with which its parameter was used is no stranger.
  void layer(const Tensor& parameter, Use use) {
    Weight* weight = find(parameter);
    if (weight == nullptr || weight->strangers.empty()) return;
    weight->strangers.pop_back();
    use.weight = number(parameter);
    add(std::move(use), 0);
  }

  void add(Use use, Index fewest_axes) {
    for (const Tensor& t : {use.x, use.y})
      if (t.defined()) check_samples(use.weight, t, use.time_first ? 1 : 0, fewest_axes);
    uses.push_back(std::move(use));
  }

  void check_samples(std::size_t weight, const Tensor& t, std::size_t axis, Index fewest_axes = 0) const {
    if (t.dim() > std::max(fewest_axes, Index(axis)) && t.shape()[axis] == samples_) return;
    const auto& [name, parameter] = parameters_[weights[weight].parameters[0]];
    failf(operation_,
          "the layer with the parameter {} (shape {}) sees a tensor of shape {}; axis {} must count the {} samples",
          name, parameter.shape(), t.shape(), axis, samples_);
  }

  void check_rows(const Tensor& x, const Shape& normalized) const {
    if (x.dim() <= Index(normalized.size()))
      failf(operation_, "a layer normalises all axes of its input of shape {}; axis 0 must count the samples",
            x.shape());
  }

  const char* operation_;
  const NamedTensors& parameters_;
  Index samples_;
  bool x_on_tape_, probing_ = false;
  std::unordered_map<const TensorImpl*, std::size_t> known_;
  std::unordered_set<const Storage*> constants_, time_first_;
  std::vector<Tensor> kept_;
  std::vector<Convolution> convolutions_;
  std::vector<std::pair<std::size_t, std::size_t>> calls_;  // how many convolutions and uses there were before
};

// What is wrong with the module, or nothing.
const char* mixing(nn::Module& module) {
  if (dynamic_cast<nn::BatchNorm*>(&module) != nullptr)
    return "mixes the samples; a sample has no gradient of its own there. GroupNorm is the usual replacement";
  if (dynamic_cast<nn::StatisticsELU*>(&module) != nullptr && module.training())
    return "follows the statistics of the batch while it trains, which mixes the samples; call eval() first";
  if (dynamic_cast<nn::GCNConv*>(&module) != nullptr || dynamic_cast<nn::SAGEConv*>(&module) != nullptr ||
      dynamic_cast<nn::GATConv*>(&module) != nullptr)
    return "mixes the nodes of a graph; a node has no gradient of its own there";
  if (module.training() && (dynamic_cast<nn::SpectralNorm<nn::Linear>*>(&module) != nullptr ||
                            dynamic_cast<nn::SpectralNorm<nn::Conv1d>*>(&module) != nullptr ||
                            dynamic_cast<nn::SpectralNorm<nn::Conv2d>*>(&module) != nullptr))
    return "changes its weight with each forward pass while it trains; call eval() first";
  return nullptr;
}

void refuse_mixing(const char* operation, nn::Module& model) {
  struct Search final : nn::Visitor {
    explicit Search(const char* o) : operation(o) {}
    void on_module(const std::string& path, nn::Module& module) override {
      if (const char* why = mixing(module))
        failf(operation, "the model has a {}{}{}, which {}", module.type_name(), path.empty() ? "" : " at ", path, why);
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
  refuse_mixing(operation, model);
}

Tensor checked_loss(const char* operation, const Tensor& loss) {
  if (!loss.defined() || loss.numel() != 1)
    failf(operation, "the loss must be a scalar, got {}",
          loss.defined() ? fmt::format("shape {}", loss.shape()) : "an undefined tensor");
  return loss;
}

// A use and the gradient of its output, batch first.
struct Term {
  Use use;
  Tensor g;
};

// A forward pass with all that is needed to go back sample by sample.
struct Recorded {
  NamedTensors parameters;
  std::vector<Weight> weights;
  std::vector<Use> uses;
  Tensor output;
  Tensor slopes;  // row n: the gradient of sample n's loss with respect to row n of the output

  Index samples() const { return output.shape()[0]; }
};

Recorded run(const char* operation, nn::Module& model, const BatchLoss& loss, const Tensor& x, const Tensor& target,
             const PerSampleOptions& options) {
  const EnableGrad recording;
  Recorded r;
  r.parameters = trainable(model);
  const Index n = x.shape()[0];
  const Tensor input = is_floating(x.dtype()) ? x.detach().requires_grad_() : x;
  Capture capture(operation, model, r.parameters, input);
  r.output = model(input);
  if (r.output.dim() == 0 || r.output.shape()[0] != n)
    failf(operation, "the model gave shape {} for {} samples; axis 0 must count them", r.output.shape(), n);
  capture.check(r.output);
  if (capture.uses.empty()) fail(operation, "the model's output depends on no parameter that requires a gradient");
  capture.in_loss = true;
  const Tensor leaf = r.output.detach().requires_grad_();
  const Tensor value = checked_loss(operation, loss(leaf, target));
  r.slopes =
      value.requires_grad() ? grad(value, leaf, {.allow_unused = true}) : zeros(leaf.shape(), {.dtype = leaf.dtype()});
  if (options.reduction == nn::Reduction::mean) r.slopes.mul_(double(n));
  r.weights = std::move(capture.weights);
  r.uses = std::move(capture.uses);
  return r;
}

// The uses with their gradients. A linear map that is used several times, at the steps of a sequence say, is one use
// with more places: dW = sum over them of g a^T.
std::vector<Term> terms_of(const Recorded& r) {
  std::vector<Tensor> outputs;
  for (const Use& use : r.uses) outputs.push_back(use.y);
  const std::vector<Tensor> gradients =
      outputs.empty() ? outputs
                      : grad(r.output, outputs, {.grad_output = r.slopes, .retain_graph = true, .allow_unused = true});
  std::vector<Term> terms;
  std::vector<std::vector<Tensor>> inputs, slopes;  // of a linear term, use by use
  std::map<std::tuple<std::size_t, Index, Index, Role>, std::size_t> linear;
  for (std::size_t i = 0; i < r.uses.size(); ++i) {
    Use use = r.uses[i];
    const auto batch_first = [&](const Tensor& t) { return use.time_first ? t.transpose(0, 1) : t; };
    Tensor g = batch_first(gradients[i]);
    use.y = Tensor{};
    if (use.role != Role::linear_weight && use.role != Role::linear_bias) {
      terms.push_back({use, g});
      continue;
    }
    use.x = batch_first(use.x);
    const Weight& weight = r.weights[use.weight];
    const auto key = weight.offset ? std::tuple(weight.parameters[0], *weight.offset, weight.tensor.numel(), use.role)
                                   : std::tuple(use.weight, Index{-1}, Index{0}, use.role);
    const auto [at, fresh] = linear.try_emplace(key, inputs.size());
    if (fresh) {
      inputs.emplace_back();
      slopes.emplace_back();
      terms.push_back({use, {}});
      terms.back().use.time_first = false;
    }
    inputs[at->second].push_back(as_places(use.x));
    slopes[at->second].push_back(as_places(g));
  }
  std::size_t next = 0;
  for (Term& term : terms) {
    if (term.g.defined()) continue;
    term.use.x = inputs[next].size() == 1 ? inputs[next][0] : cat(inputs[next], 1);
    term.g = slopes[next].size() == 1 ? slopes[next][0] : cat(slopes[next], 1);
    ++next;
  }
  return terms;
}

Term rows_of(const Term& term, Index first, Index count) {
  if (first == 0 && count == term.g.shape()[0]) return term;
  const auto rows = [&](const Tensor& t) { return t.defined() && t.dim() > 0 ? t.slice(0, first, first + count) : t; };
  Term result = term;
  result.use.x = rows(term.use.x);
  result.g = rows(term.g);
  return result;
}

struct NormedGradients {
  Tensor v, g;  // (count, rows, the rest of a row), (count, rows)
};

// From the gradients dW of W = g u with u = v / |v|: dg = dW . u and dv = g / |v| (dW - dg u), row by row.
NormedGradients back_through(const Normed& normed, const Tensor& part) {
  const Index rows = normed.g.numel(), width = normed.v.numel() / rows;
  const Tensor v = normed.v.reshape({rows, width}), slopes = part.reshape({part.shape()[0], rows, width});
  const Tensor length = sqrt(sum(square(v), {.axes = {1}, .keepdim = true})), unit = v / length;
  const Tensor along = sum(slopes * unit, {.axes = {2}});
  return {(slopes - along.unsqueeze(2) * unit) * (normed.g.reshape({rows, 1}) / length), along};
}

// The gradients (count, shape...) of the wanted parameters, for `count` samples from number `first` on.
std::vector<Tensor> gathered(const Recorded& r, const std::vector<Term>& terms, const std::vector<bool>& wanted,
                             Index first, Index count) {
  std::vector<Tensor> totals(r.parameters.size());
  const auto total_of = [&](std::size_t p) {
    const Tensor& parameter = r.parameters[p].second;
    if (!totals[p].defined()) totals[p] = zeros(with_samples(count, parameter.shape()), {.dtype = parameter.dtype()});
    return totals[p];
  };
  const auto complete = [&] {
    for (std::size_t p = 0; p < totals.size(); ++p)
      if (wanted[p]) total_of(p);
    return totals;
  };
  // Adds rows of `part` to those of a parameter's gradients, from element `offset` of each on.
  const auto add = [](const Tensor& total, Index row, const Tensor& part, Index offset, Index size) {
    const Index width = total.numel() / total.shape()[0];
    dispatch_floating("per_sample_gradients", total.dtype(), [&]<class T> {
      T* to = total.data<T>() + row * width + offset;
      for (Index i = 0; i < part.numel() / size; ++i)
        for (Index j = 0; j < size; ++j) to[i * width + j] += part.data<T>()[i * size + j];
    });
  };
  std::map<std::size_t, Tensor> of_made;  // gradients of weights that operations made
  for (const Term& term : terms) {
    const Weight& weight = r.weights[term.use.weight];
    if (std::none_of(weight.parameters.begin(), weight.parameters.end(), [&](std::size_t p) { return wanted[p]; }))
      continue;
    const Term own = rows_of(term, first, count);
    const Tensor part = materialise(own.use, weight.tensor.shape(), own.g, first);
    if (weight.offset) {
      const std::size_t p = weight.parameters[0];
      const Shape& shape = r.parameters[p].second.shape();
      if (!totals[p].defined() && weight.tensor.numel() == shape.numel())
        totals[p] = part.reshape(with_samples(count, shape));  // nothing to add it to, most often
      else if (weight.tensor.numel() > 0)
        add(total_of(p), 0, part, *weight.offset, weight.tensor.numel());
    } else {
      Tensor& total = of_made[term.use.weight];
      total = total.defined() ? total + part : part;
    }
  }
  for (auto made = of_made.begin(); made != of_made.end();) {
    const std::optional<Normed>& normed = r.weights[made->first].normed;
    if (!normed) {
      ++made;
      continue;
    }
    const NormedGradients through = back_through(*normed, made->second);
    if (normed->v_number && wanted[*normed->v_number])
      add(total_of(*normed->v_number), 0, through.v, 0, normed->v.numel());
    if (normed->g_number && wanted[*normed->g_number])
      add(total_of(*normed->g_number), 0, through.g, 0, normed->g.numel());
    made = of_made.erase(made);
  }
  if (of_made.empty()) return complete();
  std::vector<Tensor> made, sources;
  std::vector<std::size_t> places;
  for (const auto& [number, part] : of_made) made.push_back(r.weights[number].tensor);
  for (std::size_t p = 0; p < totals.size(); ++p)
    if (wanted[p]) sources.push_back(r.parameters[p].second), places.push_back(p);
  for (Index i = 0; i < count; ++i) {
    std::vector<Tensor> rows;
    for (const auto& [number, part] : of_made) rows.push_back(part[i]);
    const std::vector<Tensor> back = gradients(made, rows, sources, {.retain_graph = true, .allow_unused = true});
    for (std::size_t k = 0; k < back.size(); ++k) add(total_of(places[k]), i, back[k], 0, back[k].numel());
  }
  return complete();
}

// For each term, whether it is a linear map with a normalised weight whose parameters are used nowhere else: the norms
// of its rows are known without the rows.
std::vector<bool> rows_alone(const Recorded& r, const std::vector<Term>& terms) {
  std::vector<int> reached(r.parameters.size());
  for (const Term& term : terms)
    for (const std::size_t p : r.weights[term.use.weight].parameters) ++reached[p];
  std::vector<bool> result;
  for (const Term& term : terms) {
    const Weight& weight = r.weights[term.use.weight];
    result.push_back(weight.normed && term.use.role == Role::linear_weight &&
                     std::all_of(weight.parameters.begin(), weight.parameters.end(),
                                 [&](std::size_t p) { return reached[p] == 1; }));
  }
  return result;
}

// With dW = sum over places of d a^T, row by row: dg = sum of d (a . u), and |dv|^2 = (g / |v|)^2 (|dW|^2 - dg^2), for
// dv is the part of dW across u.
void add_normed_norms(const Term& term, const Normed& normed, double* norms) {
  const Index rows = normed.g.numel(), width = normed.v.numel() / rows;
  const Tensor v = normed.v.reshape({rows, width});
  const Tensor length = sqrt(sum(square(v), {.axes = {1}, .keepdim = true})), unit = v / length;
  const Tensor factor = square(normed.g.reshape({rows}) / length.reshape({rows}));
  const Tensor x = as_places(term.use.x), g = as_places(term.g);
  const Index places = x.shape()[1];
  for (Index i = 0; i < x.shape()[0]; ++i) {
    const Tensor a = x[i], d = g[i];
    const Tensor along = square(sum(matmul(a, unit, {.transpose_b = true}) * d, {.axes = {0}}));
    const Tensor squares = places * (width + rows) < width * rows
                               ? sum(matmul(matmul(a, a, {.transpose_b = true}), d) * d, {.axes = {0}})
                               : sum(square(matmul(d, a, {.transpose_a = true})), {.axes = {1}});
    if (normed.g_number) norms[i] += along.sum().item();
    if (normed.v_number) norms[i] += (factor * maximum(squares - along, 0.0)).sum().item();
  }
}

// Parameters of which the gradients of several uses add up, or go through operations, before the norm is taken.
std::vector<bool> composite(const Recorded& r, const std::vector<Term>& terms, const std::vector<bool>& alone) {
  std::vector<bool> result(r.parameters.size());
  std::vector<std::vector<std::pair<Index, Index>>> parts(r.parameters.size());
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const Weight& weight = r.weights[terms[i].use.weight];
    if (alone[i]) continue;
    if (weight.offset)
      parts[weight.parameters[0]].emplace_back(*weight.offset, *weight.offset + weight.tensor.numel());
    else
      for (const std::size_t p : weight.parameters) result[p] = true;
  }
  for (std::size_t p = 0; p < parts.size(); ++p) {
    std::sort(parts[p].begin(), parts[p].end());
    for (std::size_t i = 1; i < parts[p].size(); ++i)
      if (parts[p][i].first < parts[p][i - 1].second) result[p] = true;
  }
  return result;
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
  const std::vector<Term> terms = terms_of(r);
  Tensor norms = zeros({r.samples()}, {.dtype = float64});
  const std::vector<bool> alone = rows_alone(r, terms), together = composite(r, terms, alone);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const Term& term = terms[i];
    const Weight& weight = r.weights[term.use.weight];
    if (alone[i])
      add_normed_norms(term, *weight.normed, norms.data<double>());
    else if (weight.offset && !together[weight.parameters[0]])
      add_squared_norms(term.use, weight.tensor.shape(), term.g, norms.data<double>());
  }
  if (std::none_of(together.begin(), together.end(), [](bool p) { return p; })) return norms;
  for (Index i = 0; i < r.samples(); ++i)
    for (const Tensor& total : gathered(r, terms, together, i, 1))
      if (total.defined()) add_squared_rows(total, norms.data<double>() + i);
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
  const std::vector<Tensor> totals =
      gathered(r, terms_of(r), std::vector<bool>(r.parameters.size(), true), 0, r.samples());
  NamedTensors result;
  for (std::size_t p = 0; p < totals.size(); ++p) result.emplace_back(r.parameters[p].first, totals[p]);
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
