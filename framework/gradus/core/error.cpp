#include "gradus/core/error.hpp"

namespace gradus {

void fail(std::string_view operation, std::string_view message) {
  std::string text;
  text.reserve(operation.size() + message.size() + 2);
  text.append(operation).append(": ").append(message);
  throw Error(text);
}

}  // namespace gradus
