#pragma once
// For source files only: reading tensors from files that may be damaged or hostile.
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "gradus/core/format.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus::detail {

/// Element types of files.
enum class Stored : std::uint8_t { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64 };
std::size_t size_of(Stored stored);
/// The type that it becomes: float32 up to F32, float64, or int64.
DType dtype_of(Stored stored);

/// A file of known size, read from the front. Failures throw Error with operation, path and reason.
class FileReader {
 public:
  FileReader(const char* operation, const std::string& path);
  /// The same over the content of a file that is in memory already and outlives the reader; `name` stands for it in
  /// messages.
  FileReader(const char* operation, const std::string& name, std::string_view content)
      : operation_(operation), path_(name), content_(content), size_(content.size()) {}
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  std::uint64_t size() const { return size_; }
  std::uint64_t position() const { return position_; }
  void read(void* bytes, std::size_t count);
  /// The next elements, as a tensor. The caller has checked that the file has as many; the conversion of a byte to
  /// int64 takes eight times the file's memory at most. `swap`: the file is big-endian.
  Tensor read_tensor(const std::string& name, Stored stored, const Shape& shape, bool swap = false);

  /// Throws: the file is not what it should be.
  template <class... A>
  [[noreturn]] void refuse(fmt::format_string<A...> text, A&&... values) const {
    failf(operation_, "\"{}\" is damaged or of another kind: {}", path_, fmt::format(text, std::forward<A>(values)...));
  }

 private:
  const char* operation_;
  std::string path_;
  std::FILE* file_ = nullptr;  // none: content_ it is
  std::string_view content_;
  std::uint64_t size_ = 0, position_ = 0;
};

}  // namespace gradus::detail
