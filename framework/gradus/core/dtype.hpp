#pragma once
// Element types. A tensor's dtype is a run-time value; kernels are templates, reached through dispatch().
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gradus/core/error.hpp"

namespace gradus {

enum class DType : std::uint8_t { float32, float64, int64 };

inline constexpr DType float32 = DType::float32;
inline constexpr DType float64 = DType::float64;
inline constexpr DType int64 = DType::int64;

constexpr std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::float32: return "float32";
    case DType::float64: return "float64";
    case DType::int64: return "int64";
  }
  return "?";
}

constexpr std::size_t size_of(DType dtype) { return dtype == DType::float32 ? 4 : 8; }
constexpr bool is_floating(DType dtype) { return dtype != DType::int64; }

/// The dtype of a C++ element type: float, double or std::int64_t.
template <class T> struct DTypeOf;
template <> struct DTypeOf<float> { static constexpr DType value = DType::float32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::float64; };
template <> struct DTypeOf<std::int64_t> { static constexpr DType value = DType::int64; };
template <class T> inline constexpr DType dtype_of = DTypeOf<T>::value;

/// Calls f.template operator()<T>() with the C++ type of `dtype`.
template <class F> decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32: return f.template operator()<float>();
    case DType::float64: return f.template operator()<double>();
    default: return f.template operator()<std::int64_t>();
  }
}

/// The same for the two floating-point types; int64 throws, naming `operation`.
template <class F> decltype(auto) dispatch_floating(std::string_view operation, DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32: return f.template operator()<float>();
    case DType::float64: return f.template operator()<double>();
    default: fail(operation, "needs float32 or float64, got int64; convert with .to(float32)");
  }
}

}  // namespace gradus
