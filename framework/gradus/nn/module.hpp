#pragma once
// Module: what layers and models have in common. A module has its parameters and sub-modules as plain members, computes in forward,
// and names its members once, in visit:
//
//   struct TwoLayers : nn::Module {
//     nn::Linear first{784, 128}, second{128, 10};
//     Tensor forward(const Tensor& x) override { return second(relu(first(x))); }
//     void visit(nn::Visitor& v) override { v("first", first); v("second", second); }
//   };
//
// From visit follow parameters, dotted names ("first.weight"), saving and loading, clone, conversion and train/eval.
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "gradus/nn/call_observer.hpp"
#include "gradus/tensor/named.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus::nn {

class Module;
class AnyModule;

/// What Module::visit talks to.
class Visitor {
 public:
  virtual ~Visitor() = default;

  /// A sub-module. With an empty name, its members are named as if they were this module's own.
  void operator()(std::string_view name, Module& child);
  void operator()(std::string_view name, AnyModule& child);
  /// A parameter; an undefined one (a bias that was left out) is passed over.
  void operator()(std::string_view name, Tensor& parameter);
  /// A tensor that belongs to the state but is not trained, e.g. running statistics.
  void buffer(std::string_view name, Tensor& buffer);
  /// Sub-modules "name.0", "name.1", ...
  template <class M> void operator()(std::string_view name, std::vector<M>& children) {
    for (std::size_t i = 0; i < children.size(); ++i)
      (*this)(std::string(name) + '.' + std::to_string(i), children[i]);
  }

 protected:
  virtual void on_parameter(const std::string& /*path*/, Tensor& /*parameter*/) {}
  virtual void on_buffer(const std::string& /*path*/, Tensor& /*buffer*/) {}
  virtual void on_module(const std::string& /*path*/, Module& /*module*/) {}

 private:
  std::string joined(std::string_view name) const;
  std::string path_;
};

class Module {
 public:
  Module() = default;
  /// A copy shares its tensors with the original, as a copied handle does; see clone().
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;
  virtual ~Module() = default;

  /// The output for one input. Modules with another signature leave this alone; it throws then.
  virtual Tensor forward(const Tensor& x);
  Tensor operator()(const Tensor& x) {
    return observed([&] { return forward(x); }, x);
  }

  /// Names every member that holds state. The default has none.
  virtual void visit(Visitor& visitor);

  /// The name of the class, for messages and tables.
  virtual std::string type_name() const;

  /// All parameters, in the order of visit, with dotted names. A tensor that appears twice (tied weights) is listed once.
  NamedTensors named_parameters();
  std::vector<Tensor> parameters();
  NamedTensors named_buffers();
  /// Parameters and buffers together: what save() writes.
  NamedTensors state_dict();
  /// Takes over numbers by name; floating types are converted. Throws, with every missing, unexpected and mis-shaped name in one
  /// message and nothing changed, unless all fit.
  void load_state_dict(const NamedTensors& state);

  /// Training mode (dropout drops, batch norm uses the batch), here and in all sub-modules.
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const { return training_; }

  /// Converts parameters and floating buffers in place; optimisers that hold them go on. Gradients are cleared.
  void to(DType dtype);
  void zero_grad();
  /// Freezes the parameters (false) or makes them trainable.
  void requires_grad_(bool wanted = true);

 protected:
  /// For operator() of modules with another signature: runs forward, and tells a CallObserver about it.
  template <class Forward, class... Inputs>
  Tensor observed(Forward&& forward, const Inputs&... inputs) {
    if (detail::call_observer == nullptr) return forward();
    return report_call(forward, {inputs...});
  }

 private:
  Tensor report_call(const std::function<Tensor()>& forward, const std::vector<Tensor>& inputs);
  bool training_ = true;
};

/// How many numbers the parameters hold, frozen ones included, tied ones once.
Index parameter_count(const Module& module);

namespace detail {
void unshare(Module& module);
/// Throws unless `module` is a `type` itself, not something derived from it: a copy would lose the rest.
void check_exact_type(const char* operation, const Module& module, const std::type_info& type);
}  // namespace detail

/// A copy that shares nothing with its original. Weights that are tied in the original are tied in the copy. Throws when `module` is a
/// reference to a base of what is there.
template <class M>
  requires std::is_base_of_v<Module, M>
M clone(const M& module) {
  detail::check_exact_type("clone", module, typeid(M));
  M copy = module;
  detail::unshare(copy);
  return copy;
}

/// A class of modules, other than Module itself: a Module& copied would lose what makes it more than that.
template <class M>
concept ConcreteModule = std::is_base_of_v<Module, M> && !std::is_same_v<Module, M>;

/// A module of any type, held by value.
class AnyModule {
 public:
  template <ConcreteModule M>
  AnyModule(M module)
      : module_(std::make_unique<M>(std::move(module))),
        copy_([](const Module& m) -> std::unique_ptr<Module> { return std::make_unique<M>(static_cast<const M&>(m)); }) {}
  AnyModule(const AnyModule& other) : module_(other.copy_(*other.module_)), copy_(other.copy_) {}
  AnyModule(AnyModule&&) noexcept = default;
  AnyModule& operator=(AnyModule other) noexcept {
    std::swap(module_, other.module_);
    std::swap(copy_, other.copy_);
    return *this;
  }
  ~AnyModule() = default;

  Module& operator*() const { return *module_; }
  Module* operator->() const { return module_.get(); }
  Tensor operator()(const Tensor& x) { return (*module_)(x); }

 private:
  std::unique_ptr<Module> module_;
  std::unique_ptr<Module> (*copy_)(const Module&);
};

template <class M>
concept ModuleValue = ConcreteModule<M> || std::is_same_v<AnyModule, M>;

inline AnyModule clone(const AnyModule& module) {
  AnyModule copy = module;
  detail::unshare(*copy);
  return copy;
}

}  // namespace gradus::nn
