#include "gradus/nn/module.hpp"

#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "gradus/activations/function.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"

namespace gradus::nn {
namespace {

// A visitor made of functions, for one-off walks.
class Walk final : public Visitor {
 public:
  using OnTensor = std::function<void(const std::string&, Tensor&)>;
  using OnModule = std::function<void(const std::string&, Module&)>;
  Walk(OnTensor parameter, OnTensor buffer, OnModule module = {})
      : parameter_(std::move(parameter)), buffer_(std::move(buffer)), module_(std::move(module)) {}

 protected:
  void on_parameter(const std::string& path, Tensor& tensor) override {
    if (parameter_) parameter_(path, tensor);
  }
  void on_buffer(const std::string& path, Tensor& tensor) override {
    if (buffer_) buffer_(path, tensor);
  }
  void on_module(const std::string& path, Module& module) override {
    if (module_) module_(path, module);
  }

 private:
  OnTensor parameter_, buffer_;
  OnModule module_;
};

}  // namespace

std::string Visitor::joined(std::string_view name) const {
  if (name.empty()) return path_;
  return path_.empty() ? std::string(name) : path_ + '.' + std::string(name);
}

void Visitor::operator()(std::string_view name, Module& child) {
  const std::string before = path_;
  path_ = joined(name);
  on_module(path_, child);
  child.visit(*this);
  path_ = before;
}

void Visitor::operator()(std::string_view name, AnyModule& child) { (*this)(name, *child); }

void Visitor::operator()(std::string_view name, Tensor& parameter) {
  if (parameter.defined()) on_parameter(joined(name), parameter);
}

void Visitor::buffer(std::string_view name, Tensor& buffer) {
  if (buffer.defined()) on_buffer(joined(name), buffer);
}

Tensor Module::forward(const Tensor& /*x*/) {
  fail(type_name(), "it has no forward(x); it is called in another way");
}

Tensor Module::report_call(const std::function<Tensor()>& forward, const std::vector<Tensor>& inputs) {
  detail::call_observer->on_call(*this);
  Tensor output = forward();
  if (detail::call_observer != nullptr) detail::call_observer->on_return(*this, inputs, output);
  return output;
}

void Module::visit(Visitor& /*visitor*/) {}

std::string Module::type_name() const {
  return activations::type_name(typeid(*this));
}

NamedTensors Module::named_parameters() {
  NamedTensors result;
  std::unordered_set<const TensorImpl*> seen;
  Walk walk([&](const std::string& path, Tensor& tensor) {
    if (seen.insert(tensor.impl()).second) result.emplace_back(path, tensor);
  }, {});
  visit(walk);
  return result;
}

std::vector<Tensor> Module::parameters() {
  std::vector<Tensor> result;
  for (auto& [name, tensor] : named_parameters()) result.push_back(tensor);
  return result;
}

NamedTensors Module::named_buffers() {
  NamedTensors result;
  Walk walk({}, [&](const std::string& path, Tensor& tensor) { result.emplace_back(path, tensor); });
  visit(walk);
  return result;
}

NamedTensors Module::state_dict() {
  NamedTensors result;
  const auto add = [&](const std::string& path, Tensor& tensor) { result.emplace_back(path, tensor); };
  Walk walk(add, add);
  visit(walk);
  return result;
}

void Module::load_state_dict(const NamedTensors& state) {
  std::unordered_map<std::string, Tensor> given(state.begin(), state.end());
  std::string problems;
  const NamedTensors own = state_dict();
  std::unordered_set<std::string> known;
  for (const auto& [name, tensor] : own) {
    known.insert(name);
    const auto found = given.find(name);
    if (found == given.end())
      problems += fmt::format("\n  missing     {} {}", name, tensor.shape());
    else if (found->second.shape() != tensor.shape())
      problems += fmt::format("\n  shape       {}: the file has {}, the model {}", name, found->second.shape(), tensor.shape());
    else if (is_floating(found->second.dtype()) != is_floating(tensor.dtype()))
      problems += fmt::format("\n  type        {}: the file has {}, the model {}", name, found->second.dtype(), tensor.dtype());
  }
  for (const auto& [name, tensor] : state)
    if (!known.contains(name)) problems += fmt::format("\n  unexpected  {} {}", name, tensor.shape());
  if (!problems.empty()) failf("load_state_dict", "the state does not fit this {}:{}", type_name(), problems);
  const NoGrad no_grad;
  for (auto [name, tensor] : own) tensor.copy_(given.at(name).detach().to(tensor.dtype()));
}

void Module::train(bool on) {
  training_ = on;
  Walk walk({}, {}, [on](const std::string&, Module& module) { module.training_ = on; });
  visit(walk);
}

void Module::to(DType dtype) {
  if (!is_floating(dtype)) failf("to", "a module computes in float32 or float64, not in {}", dtype);
  const NoGrad no_grad;
  const auto convert = [dtype](const std::string&, Tensor& tensor) {
    if (is_floating(tensor.dtype()) && tensor.dtype() != dtype) tensor.set_data(tensor.detach().to(dtype));
  };
  Walk walk(convert, convert);
  visit(walk);
}

void Module::zero_grad() {
  for (const Tensor& parameter : parameters()) parameter.zero_grad();
}

void Module::requires_grad_(bool wanted) {
  for (Tensor& parameter : parameters()) parameter.requires_grad_(wanted);
}

Index parameter_count(const Module& module) {
  Index count = 0;
  // Visiting hands out references for those who change things; counting does not.
  for (const Tensor& parameter : const_cast<Module&>(module).parameters()) count += parameter.numel();
  return count;
}

void detail::check_exact_type(const char* operation, const Module& module, const std::type_info& type) {
  if (typeid(module) != type)
    failf(operation, "a {} seen as a {} would lose what only a {} has; call it with the type that it is, or hold it in an AnyModule",
          activations::type_name(typeid(module)), activations::type_name(type), activations::type_name(typeid(module)));
}

void detail::unshare(Module& module) {
  std::unordered_map<const TensorImpl*, Tensor> copies;
  const auto copy = [&](const std::string&, Tensor& tensor) {
    auto [place, fresh] = copies.try_emplace(tensor.impl());
    if (fresh) {
      place->second = tensor.detach().clone();
      if (tensor.requires_grad()) place->second.requires_grad_();
    }
    tensor = place->second;
  };
  // The originals must outlive the walk: their addresses are the keys.
  const NamedTensors originals = module.state_dict();
  Walk walk(copy, copy);
  module.visit(walk);
}

}  // namespace gradus::nn
