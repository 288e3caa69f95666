#pragma once
// The activations' formulas once more, written independently with the standard library, in double or long double.
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

#include "gradus/activations/builtin.hpp"
#include "gradus/activations/registry.hpp"

namespace gradus::test {

using activations::Function;

/// One Function per built-in activation, with the default parameters.
inline std::vector<Function> builtins() {
  using namespace activations;
  std::vector<Function> all;
#define GRADUS_ADD(A) all.push_back(make_function(A{}));
  GRADUS_ACTIVATIONS(GRADUS_ADD)
#undef GRADUS_ADD
  return all;
}

/// x times a number that falls to 0 faster than x grows: its limit 0 at -infinity.
template <class W> W damped(W x, W factor) { return factor == 0 ? factor * 0 : x * factor; }

template <class W> W logistic(W x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }

/// f(x) of the activation of that name; p is its first parameter.
template <class W> W reference(std::string_view name, W x, W p) {
  const W pi = std::numbers::pi_v<W>;
  if (std::isnan(x)) return x;
  if (name == "identity") return x;
  if (name == "relu") return x > 0 ? x : 0;
  if (name == "leaky_relu" || name == "prelu") return x > 0 ? x : p * x;
  if (name == "elu") return x > 0 ? x : p * std::expm1(x);
  if (name == "celu") return x > 0 ? x : p * std::expm1(x / p);
  if (name == "selu") {
    const W alpha = W(1.6732632423543772848170429916717L), scale = W(1.0507009873554804934193349852946L);
    return scale * (x > 0 ? x : alpha * std::expm1(x));
  }
  if (name == "gelu") {
    if (x > 0) return x - damped(x, std::erfc(x / std::sqrt(W(2))) / 2);
    return damped(x, std::erfc(-x / std::sqrt(W(2))) / 2);
  }
  if (name == "gelu_tanh") return damped(x, logistic(2 * std::sqrt(2 / pi) * (x + W(0.044715L) * x * x * x)));
  if (name == "silu") return damped(x, logistic(x));
  if (name == "mish") {
    if (x > 30) return x;  // 1 - tanh is 2 e^-2x
    const W w = std::exp(x);
    return damped(x, w * (w + 2) / (w * (w + 2) + 2));
  }
  if (name == "softplus")
    return p * x > 20 ? x : (std::fmax(p * x, W(0)) + std::log1p(std::exp(-std::fabs(p * x)))) / p;
  if (name == "softsign") return std::isinf(x) ? (x > 0 ? W(1) : W(-1)) : x / (1 + std::fabs(x));
  if (name == "tanh") return std::tanh(x);
  if (name == "sigmoid") return logistic(x);
  if (name == "hard_swish") return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
  if (name == "softshrink") return x > p ? x - p : x < -p ? x + p : 0;
  FAIL("no reference for the activation " << name << ": write its formula here");
  return 0;
}

/// The default of the first parameter.
inline double default_parameter(std::string_view name) {
  return name == "leaky_relu" ? 0.01 : name == "prelu" ? 0.25 : name == "softshrink" ? 0.5 : 1;
}

}  // namespace gradus::test
