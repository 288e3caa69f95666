#pragma once
// What the environment says.
#include <cstdlib>
#include <string_view>

namespace gradus {

/// Whether what is on by default stays on: not when the environment has `variable` with the value 0.
inline bool left_on(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr || std::string_view(value) != "0";
}

}  // namespace gradus
