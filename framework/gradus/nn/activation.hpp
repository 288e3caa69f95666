#pragma once
// Activations as layers. Any activation is one: nn::Activation{activations::GELU{}}, nn::Activation{MyStruct{}},
// nn::activation("gelu"); the classes below only give the built-in ones PyTorch's names.
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gradus/activations/function.hpp"
#include "gradus/activations/make_function.hpp"
#include "gradus/nn/module.hpp"
#include "gradus/ops/activation.hpp"

namespace gradus::nn {

/// y = f(x), elementwise, any shape.
class Activation : public Module {
 public:
  explicit Activation(activations::Function function) : function_(std::move(function)) {}
  /// From a struct with f, df, ... (gradus/activations/function.hpp).
  template <class A>
    requires(!std::is_convertible_v<A, activations::Function> && !std::is_base_of_v<Module, A>)
  explicit Activation(A activation) : Activation(activations::make_function(std::move(activation))) {}

  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return function_.name(); }
  const activations::Function& function() const { return function_; }

 private:
  activations::Function function_;
};

/// The activation with that name: a built-in one ("gelu", "elu", "elu(0.5)") or one that was registered. An unknown name throws and
/// lists the known ones.
Activation activation(std::string_view name);

/// Gives a name to an activation, for nn::activation and everything that takes an activation by name. A known name is replaced.
void register_activation(const std::string& name, const activations::Function& function);
template <class A>
  requires(!std::is_convertible_v<A, activations::Function>)
void register_activation(const std::string& name, A activation) {
  // Qualified: the argument's own namespace has a function of this name as well.
  nn::register_activation(name, activations::make_function(std::move(activation), name));
}

struct ReLU : Activation { ReLU(); };
struct LeakyReLU : Activation { explicit LeakyReLU(double negative_slope = 0.01); };
struct ELU : Activation { explicit ELU(double alpha = 1.0); };
struct CELU : Activation { explicit CELU(double alpha = 1.0); };
struct SELU : Activation { SELU(); };
/// `approximate` is "none" (erf) or "tanh".
struct GELU : Activation { explicit GELU(std::string_view approximate = "none"); };
struct SiLU : Activation { SiLU(); };
struct Mish : Activation { Mish(); };
struct Softplus : Activation { explicit Softplus(double beta = 1.0, double threshold = 20.0); };
struct Softsign : Activation { Softsign(); };
struct Tanh : Activation { Tanh(); };
struct Sigmoid : Activation { Sigmoid(); };
struct Hardswish : Activation { Hardswish(); };
struct Softshrink : Activation { explicit Softshrink(double lambda = 0.5); };

struct PReLUOptions {
  Index num_parameters = 1;  ///< 1, or the number of channels (axis 1)
  double init = 0.25;
};
/// max(x, 0) + a min(x, 0) with a learned (He et al. 2015, "Delving deep into rectifiers"). Parameter: "weight".
class PReLU : public Module {
 public:
  using Options = PReLUOptions;
  Tensor weight;
  explicit PReLU(const Options& options = {});
  Tensor forward(const Tensor& x) override { return prelu(x, weight); }
  void visit(Visitor& v) override { v("weight", weight); }
};

/// Shows what flows through the activation layers: while one lives, each of them that runs on this thread adds what it took in and
/// gave out, in the order of running.
class ActivationProbe {
 public:
  struct Record {
    activations::Function function;
    Tensor input, output;
  };
  ActivationProbe();
  ~ActivationProbe();
  ActivationProbe(const ActivationProbe&) = delete;
  ActivationProbe& operator=(const ActivationProbe&) = delete;
  /// Whether one lives on this thread.
  static bool active();

  std::vector<Record> records;

 private:
  ActivationProbe* before_;
};

}  // namespace gradus::nn
