#pragma once
// Modules one after another, and modules made of functions.
#include <functional>

#include "gradus/nn/module.hpp"

namespace gradus::nn {

/// Each module's output is the next one's input: Sequential{Linear{2, 64}, GELU{}, Linear{64, 2}}. State is named "0.weight", ...
class Sequential : public Module {
 public:
  Sequential() = default;
  template <class... M>
    requires(sizeof...(M) > 0 && (ModuleValue<std::decay_t<M>> && ...) &&
             !(sizeof...(M) == 1 && (std::is_same_v<Sequential, std::decay_t<M>> && ...)))
  Sequential(M&&... modules) {
    modules_.reserve(sizeof...(M));
    (modules_.emplace_back(std::decay_t<M>(std::forward<M>(modules))), ...);
  }

  void push_back(AnyModule module) { modules_.push_back(std::move(module)); }
  std::size_t size() const { return modules_.size(); }
  /// Throws unless i < size().
  Module& operator[](std::size_t i);
  /// For walking over the modules: `for (auto& module : net) x = module(x);`
  auto begin() { return modules_.begin(); }
  auto end() { return modules_.end(); }

  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override;

 private:
  std::vector<AnyModule> modules_;
};

/// A function of tensors as a module, without state of its own.
class Lambda : public Module {
 public:
  explicit Lambda(std::function<Tensor(const Tensor&)> function) : function_(std::move(function)) {}
  Tensor forward(const Tensor& x) override { return function_(x); }

 private:
  std::function<Tensor(const Tensor&)> function_;
};

/// x to x.
class Identity : public Module {
 public:
  Tensor forward(const Tensor& x) override { return x; }
};

/// Axes first to last become one; by default everything but the batch.
class Flatten : public Module {
 public:
  explicit Flatten(Index first = 1, Index last = -1) : first_(first), last_(last) {}
  Tensor forward(const Tensor& x) override { return x.flatten(first_, last_); }

 private:
  Index first_, last_;
};

/// x + f(x) (He et al. 2016, "Identity mappings in deep residual networks"). Throws when f changes the shape.
class Residual : public Module {
 public:
  explicit Residual(AnyModule f) : f_(std::move(f)) {}
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& v) override { v("f", f_); }

 private:
  AnyModule f_;
};

}  // namespace gradus::nn
