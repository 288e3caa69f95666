#pragma once
// For source files only: fmt, with formatters for the library's own types. Public headers never include this (compile time).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gradus/core/dtype.hpp"
#include "gradus/core/error.hpp"
#include "gradus/core/shape.hpp"

template <> struct fmt::formatter<gradus::Shape> : fmt::formatter<std::string> {
  template <class Context> auto format(const gradus::Shape& shape, Context& context) const {
    return fmt::formatter<std::string>::format(gradus::to_string(shape), context);
  }
};

template <> struct fmt::formatter<gradus::DType> : fmt::formatter<std::string_view> {
  template <class Context> auto format(gradus::DType dtype, Context& context) const {
    return fmt::formatter<std::string_view>::format(gradus::name(dtype), context);
  }
};

namespace gradus {

/// fail(operation, fmt::format(...)).
template <class... Arguments>
[[noreturn]] void failf(std::string_view operation, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  fail(operation, fmt::format(text, std::forward<Arguments>(arguments)...));
}

}  // namespace gradus
