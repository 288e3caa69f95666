#include "gradus/nn/activation.hpp"

#include "gradus/activations/builtin.hpp"
#include "gradus/activations/registry.hpp"
#include "gradus/core/format.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {
namespace {

constinit thread_local ActivationProbe* probe = nullptr;

activations::Function gelu_named(std::string_view approximate) {
  if (approximate == "none") return activations::make_function(activations::GELU{});
  if (approximate == "tanh") return activations::make_function(activations::GELUTanh{});
  failf("GELU", "approximate is \"{}\"; it can be \"none\" or \"tanh\"", approximate);
}

}  // namespace

Tensor Activation::forward(const Tensor& x) {
  Tensor y = activate(function_, x);
  if (probe != nullptr) probe->records.push_back({function_, x, y});
  return y;
}

Activation activation(std::string_view name) { return Activation(activations::activation(name)); }

void register_activation(const std::string& name, const activations::Function& function) {
  activations::register_activation(name, function);
}

ReLU::ReLU() : Activation(activations::ReLU{}) {}
LeakyReLU::LeakyReLU(double negative_slope) : Activation(activations::LeakyReLU{negative_slope}) {}
ELU::ELU(double alpha) : Activation(activations::ELU{alpha}) {}
CELU::CELU(double alpha) : Activation(activations::CELU{alpha}) {}
SELU::SELU() : Activation(activations::SELU{}) {}
GELU::GELU(std::string_view approximate) : Activation(gelu_named(approximate)) {}
SiLU::SiLU() : Activation(activations::SiLU{}) {}
Mish::Mish() : Activation(activations::Mish{}) {}
Softplus::Softplus(double beta, double threshold) : Activation(activations::Softplus{beta, threshold}) {}
Softsign::Softsign() : Activation(activations::Softsign{}) {}
Tanh::Tanh() : Activation(activations::Tanh{}) {}
Sigmoid::Sigmoid() : Activation(activations::Sigmoid{}) {}
Hardswish::Hardswish() : Activation(activations::HardSwish{}) {}
Softshrink::Softshrink(double lambda) : Activation(activations::Softshrink{lambda}) {}

PReLU::PReLU(const Options& options) {
  if (options.num_parameters < 1) failf("PReLU", "{} slopes; at least 1 is needed", options.num_parameters);
  weight = full({options.num_parameters}, options.init, {.requires_grad = true});
}

ActivationProbe::ActivationProbe() : before_(probe) { probe = this; }
ActivationProbe::~ActivationProbe() { probe = before_; }
bool ActivationProbe::active() { return probe != nullptr; }

}  // namespace gradus::nn
