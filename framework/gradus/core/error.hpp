#pragma once
// The one exception of the library. Every misuse throws it, with the name of the operation, the sizes that do not fit, the rule
// they break and, where there is one, a hint.
#include <stdexcept>
#include <string>
#include <string_view>

namespace gradus {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws Error with the text "operation: message".
[[noreturn]] void fail(std::string_view operation, std::string_view message);

}  // namespace gradus
