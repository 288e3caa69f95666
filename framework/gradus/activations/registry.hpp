#pragma once
// Activations by name.
#include <string>
#include <string_view>
#include <vector>

#include "gradus/activations/function.hpp"

namespace gradus::activations {

/// The activation of that name: "gelu", or with positional parameters as PyTorch has them, "elu(0.5)", "softplus(2,
/// 30)". Throws Error for an unknown name (with the nearest and all known ones) and for parameters that are none.
Function activation(std::string_view name);

/// Gives an activation a name, which replaces a built-in or earlier one of that name. Thread-safe, as everything here.
/// The name has letters, digits, '_', '-' and '.' only.
void register_activation(std::string name, Function function);

/// All known names, sorted.
std::vector<std::string> names();

}  // namespace gradus::activations
