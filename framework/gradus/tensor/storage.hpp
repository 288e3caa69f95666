#pragma once
// The numbers of a tensor: one aligned block, shared by reshapes of it.
#include <cstddef>

#include "gradus/core/ref.hpp"

namespace gradus {

class Storage {
 public:
  /// `bytes` bytes, not initialised, aligned to 64. Throws when memory is out.
  static Ref<Storage> make(std::size_t bytes);

  void* data() { return reinterpret_cast<std::byte*>(this) + header; }
  std::size_t bytes() const { return bytes_; }
  std::uint32_t owners() const { return count_.value(); }

  /// Counts the changes in place, so that backward can tell that a value it saved is no longer the one it saw.
  std::uint32_t version() const { return version_; }
  void bump_version() { ++version_; }
  /// Counts on where the storage that this one replaces stopped.
  void follow(const Storage& before) { version_ = before.version_ + 1; }

  friend void retain(Storage* storage) noexcept { storage->count_.add(); }
  friend void release(Storage* storage) noexcept;

 private:
  static constexpr std::size_t header = 64;
  explicit Storage(std::size_t bytes) : bytes_(bytes) {}

  RefCount count_;
  std::uint32_t version_ = 0;
  std::size_t bytes_;
};

}  // namespace gradus
