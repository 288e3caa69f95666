#include "gradus/tensor/file_reader.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>
#include <vector>

namespace gradus::detail {
namespace {

template <class T>
T swapped(T value) {
  unsigned char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  std::reverse(bytes, bytes + sizeof(T));
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// IEEE 754 binary16 to binary32, exact for every value.
float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 31u, mantissa = half & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {  // zero and subnormals: mantissa 2^-24
    const float value = float(mantissa) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

float bfloat_to_float(std::uint16_t half) { return std::bit_cast<float>(std::uint32_t(half) << 16); }

}  // namespace

std::size_t size_of(Stored stored) {
  switch (stored) {
    case Stored::boolean:
    case Stored::u8:
    case Stored::i8:
      return 1;
    case Stored::u16:
    case Stored::i16:
    case Stored::f16:
    case Stored::bf16:
      return 2;
    case Stored::u32:
    case Stored::i32:
    case Stored::f32:
      return 4;
    case Stored::u64:
    case Stored::i64:
    case Stored::f64:
      return 8;
  }
  return 0;
}

DType dtype_of(Stored stored) {
  if (stored == Stored::f64) return float64;
  return stored == Stored::f16 || stored == Stored::bf16 || stored == Stored::f32 ? float32 : int64;
}

FileReader::FileReader(const char* operation, const std::string& path) : operation_(operation), path_(path) {
  file_ = std::fopen(path.c_str(), "rbe");
  struct stat info {};
  if (file_ == nullptr || ::fstat(::fileno(file_), &info) != 0) {
    const int error = errno;
    if (file_ != nullptr) std::fclose(file_);
    failf(operation, "cannot read \"{}\": {}", path, std::generic_category().message(error));
  }
  if (!S_ISREG(info.st_mode)) {
    std::fclose(file_);
    failf(operation, "cannot read \"{}\": it is {}", path, S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
  }
  size_ = std::uint64_t(info.st_size);
}

FileReader::~FileReader() {
  if (file_ != nullptr) std::fclose(file_);
}

void FileReader::read(void* bytes, std::size_t count) {
  if (count == 0) return;
  errno = 0;
  if (file_ == nullptr) {
    if (count > size_ - position_) refuse("it ends before byte {}", position_ + count);
    std::memcpy(bytes, content_.data() + position_, count);
  } else if (std::fread(bytes, 1, count, file_) != count) {
    if (std::ferror(file_) != 0)
      failf(operation_, "cannot read \"{}\": {}", path_, std::generic_category().message(errno));
    refuse("it ends before byte {}", position_ + count);
  }
  position_ += count;
}

Tensor FileReader::read_tensor(const std::string& name, Stored stored, const Shape& shape, bool swap) {
  Tensor result;
  try {
    result = Tensor::make("make", shape, dtype_of(stored));
  } catch (const Error& error) {
    failf(operation_, "\"{}\", tensor \"{}\": {}", path_, name, error.what());
  }
  const auto direct = [&]<class T> {
    T* const out = result.data<T>();
    read(out, std::size_t(result.numel()) * sizeof(T));
    if (swap) std::transform(out, out + result.numel(), out, swapped<T>);
  };
  const auto convert = [&]<class From, class To>(auto value_of) {
    constexpr Index chunk = 65536;
    std::vector<From> buffer(std::size_t(std::min(chunk, result.numel())));
    To* out = result.data<To>();
    for (Index done = 0; done < result.numel(); done += chunk) {
      const Index count = std::min(chunk, result.numel() - done);
      read(buffer.data(), std::size_t(count) * sizeof(From));
      for (Index i = 0; i < count; ++i) {
        const From raw = buffer[std::size_t(i)];
        out[done + i] = value_of(swap ? swapped(raw) : raw);
      }
    }
  };
  const auto whole = [&]<class From> {
    convert.template operator()<From, std::int64_t>([](From value) { return static_cast<std::int64_t>(value); });
  };
  switch (stored) {
    case Stored::f32:
      direct.template operator()<float>();
      break;
    case Stored::f64:
      direct.template operator()<double>();
      break;
    case Stored::i64:
      direct.template operator()<std::int64_t>();
      break;
    case Stored::f16:
      convert.template operator()<std::uint16_t, float>(half_to_float);
      break;
    case Stored::bf16:
      convert.template operator()<std::uint16_t, float>(bfloat_to_float);
      break;
    case Stored::u8:
      whole.template operator()<std::uint8_t>();
      break;
    case Stored::i8:
      whole.template operator()<std::int8_t>();
      break;
    case Stored::u16:
      whole.template operator()<std::uint16_t>();
      break;
    case Stored::i16:
      whole.template operator()<std::int16_t>();
      break;
    case Stored::u32:
      whole.template operator()<std::uint32_t>();
      break;
    case Stored::i32:
      whole.template operator()<std::int32_t>();
      break;
    case Stored::boolean:
      convert.template operator()<std::uint8_t, std::int64_t>([&](std::uint8_t value) {
        if (value > 1) refuse("the truth value {} in \"{}\" is neither 0 nor 1", value, name);
        return std::int64_t{value};
      });
      break;
    case Stored::u64:
      convert.template operator()<std::uint64_t, std::int64_t>([&](std::uint64_t value) {
        if (value > std::uint64_t(std::numeric_limits<std::int64_t>::max()))
          failf(operation_, "\"{}\": the value {} in \"{}\" is beyond int64", path_, value, name);
        return static_cast<std::int64_t>(value);
      });
      break;
  }
  return result;
}

}  // namespace gradus::detail
